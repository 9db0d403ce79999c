output "env_file" {
  description = "Settings of hmaproxy: terraform output -raw env_file >hmaproxy.env"
  sensitive   = true # The output contains the client secret. So the state contains it too.
  value = join("\n", concat(
    [
      "# Settings of hmaproxy, for -env-file. Do not share this file: it holds a secret.",
      "HMA_EWS_URL=${var.ews_url}",
      "HMA_RESOURCE_ID=${local.resource}",
      "HMA_TENANT_ID=${data.azuread_client_config.current.tenant_id}",
      "HMA_APP_ID=${azuread_application.mailbox.client_id}",
      "HMA_KEY_VAULT_URI=${trimsuffix(local.vault_uri, "/")}",
      "HMA_KEY_VAULT_CERT_NAME=${var.certificate_name}",
      "HMA_KEY_VAULT_APP_ID=${azuread_application.reader.client_id}",
      "HMA_KEY_VAULT_CLIENT_SECRET=${azuread_application_password.reader[reverse(var.client_secrets)[0]].value}",
    ],
    var.key_mode == "memory" ? [] : ["HMA_KEY_MODE=vault"],
    trimsuffix(var.authority_host, "/") == "https://login.microsoftonline.com" ? [] : ["HMA_AUTHORITY_HOST=${trimsuffix(var.authority_host, "/")}"],
    length(var.allowed_mailboxes) > 0 ? ["HMA_ALLOWED_MAILBOXES=${join(",", var.allowed_mailboxes)}"] : [
      "# Without an allow-list clients can open every mailbox of the organisation.",
      "#HMA_ALLOWED_MAILBOXES=alice@contoso.com",
    ],
    [""], # ends the last line
  ))
}

# No output depends on the consent, so every output exists even if the consent was
# refused.
output "admin_consent_url" {
  description = "If you may not grant consent (403 at azuread_app_role_assignment.full_access): an administrator opens this."
  value       = "${trimsuffix(var.authority_host, "/")}/${data.azuread_client_config.current.tenant_id}/adminconsent?client_id=${azuread_application.mailbox.client_id}"
}

output "creator_role" {
  description = "Role that you have on the vault because you created it; empty for none. creator_role = false takes it back."
  value       = join("", [for role in azurerm_role_assignment.creator : "${role.role_definition_name} on ${role.scope}"])
}
