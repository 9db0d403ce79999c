# scripts/check-terraform.sh runs these tests. The providers' schemas are real, and
# their responses are defined here. The expected env files are in this directory.
# envfile_test.go checks that setup.sh prints the same files.

mock_provider "azuread" {
  mock_data "azuread_client_config" {
    defaults = { tenant_id = "0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47" }
  }
  mock_data "azuread_service_principal" {
    defaults = {
      object_id               = "ec000000-0000-4000-8000-000000000000"
      app_role_ids            = { full_access_as_app = "dc890d15-9560-4a4c-9b7f-a736ec74ec40" }
      service_principal_names = ["00000002-0000-0ff1-ce00-000000000000", "https://Mail.contoso.com/"]
    }
  }
  override_resource {
    target = azuread_application.reader
    values = { id = "/applications/bb7c2d35-0e94-4f6a-a1c8-5d7e3b9f0a26", client_id = "b87c2d35-0e94-4f6a-a1c8-5d7e3b9f0a26" }
  }
  override_resource {
    target = azuread_application.mailbox
    values = { id = "/applications/6b1de0b4-41c7-4c2f-8f5d-93f0b7a2d611", client_id = "6a1de0b4-41c7-4c2f-8f5d-93f0b7a2d611" }
  }
  override_resource {
    target = azuread_service_principal.reader
    values = { object_id = "aa7c2d35-0e94-4f6a-a1c8-5d7e3b9f0a26" }
  }
  override_resource {
    target = azuread_service_principal.mailbox
    values = { object_id = "aa1de0b4-41c7-4c2f-8f5d-93f0b7a2d611" }
  }
  mock_resource "azuread_application_password" {
    defaults = { value = "Kv8~made-by-the-stub" }
  }
}

mock_provider "azurerm" {
  mock_data "azurerm_client_config" {
    defaults = {
      tenant_id = "0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47"
      object_id = "5d0c1b9e-0000-4000-8000-00000000aaaa"
    }
  }
  mock_resource "azurerm_key_vault" {
    defaults = {
      id        = "/subscriptions/55555555-0000-4000-8000-000000000000/resourceGroups/mail/providers/Microsoft.KeyVault/vaults/contoso"
      vault_uri = "https://contoso.vault.azure.net/"
    }
  }
  mock_data "azurerm_key_vault" {
    defaults = {
      id                         = "/subscriptions/55555555-0000-4000-8000-000000000000/resourceGroups/mail/providers/Microsoft.KeyVault/vaults/contoso"
      vault_uri                  = "https://contoso.vault.azure.net/"
      rbac_authorization_enabled = true
    }
  }
  mock_resource "azurerm_key_vault_certificate" {
    defaults = {
      certificate_data      = "3082AA"
      certificate_attribute = [{ not_before = "2026-11-26T13:00:00Z", expires = "2027-11-26T13:00:00Z" }]
    }
  }
  mock_data "azurerm_key_vault_certificate" {
    defaults = { certificate_data = "3082BB", not_before = "2026-01-02T03:04:05Z", expires = "2028-01-02T03:04:05Z" }
  }
}

mock_provider "time" {
  mock_resource "time_static" {
    defaults = { rfc3339 = "2026-11-26T13:00:00Z" }
  }
}

variables {
  ews_url                = "https://mail.contoso.com/EWS/Exchange.asmx"
  vault_name             = "contoso"
  resource_group_name    = "mail"
  register_exchange_name = false
}

run "new_rbac_vault_key_in_memory" {
  variables {
    location          = "westeurope"
    allowed_mailboxes = ["alice@contoso.com"]
  }
  assert {
    condition     = output.env_file == file("${path.module}/tests/memory.env")
    error_message = nonsensitive(output.env_file)
  }
  assert {
    condition = (azurerm_key_vault.created[0].rbac_authorization_enabled && length(azurerm_key_vault_access_policy.reader) == 0
    && keys(azurerm_role_assignment.reader) == ["Key Vault Certificate User", "Key Vault Secrets User"])
    error_message = "KV-App has other roles than these two."
  }
  assert {
    condition     = alltrue([for role in azurerm_role_assignment.reader : role.principal_id == "aa7c2d35-0e94-4f6a-a1c8-5d7e3b9f0a26" && role.scope == azurerm_key_vault.created[0].id])
    error_message = "The roles are not KV-App's, or not on the vault alone."
  }
  assert {
    condition     = azurerm_role_assignment.creator[0].principal_id == "5d0c1b9e-0000-4000-8000-00000000aaaa" && time_sleep.role[0].create_duration == "3m"
    error_message = "Whoever creates the vault may not write to it."
  }
  assert {
    condition = (azurerm_key_vault_certificate.created[0].certificate_policy[0].key_properties[0].exportable
      && azurerm_key_vault_certificate.created[0].certificate_policy[0].key_properties[0].key_type == "RSA"
      && azurerm_key_vault_certificate.created[0].certificate_policy[0].key_properties[0].key_size == 2048
      && azurerm_key_vault_certificate.created[0].certificate_policy[0].issuer_parameters[0].name == "Self"
      && azurerm_key_vault_certificate.created[0].certificate_policy[0].lifetime_action[0].trigger[0].days_before_expiry == 60
    && azurerm_key_vault_certificate.created[0].certificate_policy[0].x509_certificate_properties[0].subject == "CN=HMA-Cert")
    error_message = "The certificate differs from that of setup.sh."
  }
  assert {
    condition     = azuread_application_certificate.mailbox.value == "3082AA" && azuread_application_certificate.mailbox.end_date == "2027-11-26T13:00:00Z"
    error_message = "HMA-App does not have the vault's certificate."
  }
  assert {
    condition     = azuread_app_role_assignment.full_access.app_role_id == "dc890d15-9560-4a4c-9b7f-a736ec74ec40" && azuread_app_role_assignment.full_access.principal_object_id == "aa1de0b4-41c7-4c2f-8f5d-93f0b7a2d611" && azuread_app_role_assignment.full_access.resource_object_id == "ec000000-0000-4000-8000-000000000000"
    error_message = "Admin consent is not that of full_access_as_app to HMA-App."
  }
  assert {
    condition     = [for a in azuread_application.mailbox.required_resource_access : [a.resource_app_id, [for r in a.resource_access : [r.id, r.type]]]] == [["00000002-0000-0ff1-ce00-000000000000", [["dc890d15-9560-4a4c-9b7f-a736ec74ec40", "Role"]]]]
    error_message = "HMA-App asks for something else."
  }
  assert {
    condition     = azuread_application_password.reader["hmaproxy"].end_date == "2027-11-26T13:00:00Z"
    error_message = "The client secret is not valid for one year."
  }
  assert {
    condition     = output.admin_consent_url == "https://login.microsoftonline.com/0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47/adminconsent?client_id=6a1de0b4-41c7-4c2f-8f5d-93f0b7a2d611"
    error_message = output.admin_consent_url
  }
  assert {
    condition     = output.creator_role == "Key Vault Certificates Officer on ${azurerm_key_vault.created[0].id}"
    error_message = "The role of the caller is not named."
  }
}

run "the_role_of_the_caller_is_taken_back" {
  variables {
    location     = "westeurope"
    creator_role = false
  }
  assert {
    condition     = length(azurerm_role_assignment.creator) == 0 && length(time_sleep.role) == 0 && output.creator_role == ""
    error_message = "The caller still has a role on the vault."
  }
}

run "new_policy_vault_key_in_the_vault" {
  variables {
    location         = "westeurope"
    permission_model = "policy"
    key_mode         = "vault"
  }
  assert {
    condition     = output.env_file == file("${path.module}/tests/vault.env")
    error_message = nonsensitive(output.env_file)
  }
  assert {
    condition     = !azurerm_key_vault.created[0].rbac_authorization_enabled && length(azurerm_role_assignment.reader) == 0 && length(azurerm_role_assignment.creator) == 0
    error_message = "Roles in a vault of access policies."
  }
  assert {
    condition     = azurerm_key_vault_access_policy.reader[0].object_id == "aa7c2d35-0e94-4f6a-a1c8-5d7e3b9f0a26" && azurerm_key_vault_access_policy.reader[0].secret_permissions == tolist(["Get"]) && azurerm_key_vault_access_policy.reader[0].certificate_permissions == tolist(["Get"]) && azurerm_key_vault_access_policy.reader[0].key_permissions == tolist(["Get", "Sign"])
    error_message = "KV-App may do something else."
  }
  assert {
    condition     = !azurerm_key_vault_certificate.created[0].certificate_policy[0].key_properties[0].exportable
    error_message = "The key can leave the vault."
  }
}

run "existing_vault_and_certificate" {
  variables {
    certificate_exists = true
    key_mode           = "vault"
  }
  assert {
    condition     = length(azurerm_key_vault.created) == 0 && length(azurerm_key_vault_certificate.imported) == 0 && length(azurerm_key_vault_certificate.created) == 0 && length(azurerm_role_assignment.creator) == 0
    error_message = "What exists is made again."
  }
  assert {
    condition     = keys(azurerm_role_assignment.reader) == ["Key Vault Certificate User", "Key Vault Crypto User", "Key Vault Secrets User"]
    error_message = "KV-App has other roles than these three."
  }
  assert {
    condition     = azuread_application_certificate.mailbox.value == "3082BB" && azuread_application_certificate.mailbox.start_date == "2026-01-02T03:04:05Z" && azuread_application_certificate.mailbox.end_date == "2028-01-02T03:04:05Z"
    error_message = "HMA-App does not have the vault's certificate."
  }
}

run "an_imported_key_stays_in_the_vault" {
  variables {
    key_mode             = "vault"
    certificate_file     = "tests/own.pem"
    certificate_key_size = 3072
  }
  assert {
    condition     = !azurerm_key_vault_certificate.imported[0].certificate_policy[0].key_properties[0].exportable && azurerm_key_vault_certificate.imported[0].certificate_policy[0].key_properties[0].key_size == 3072
    error_message = "The key can leave the vault, or is said to have another size."
  }
  assert {
    condition     = azurerm_key_vault_certificate.imported[0].certificate[0].contents == file("tests/own.pem") && azurerm_key_vault_certificate.imported[0].certificate_policy[0].secret_properties[0].content_type == "application/x-pem-file"
    error_message = "PEM is not imported as PEM."
  }
}

run "existing_policy_vault_keeps_its_model" {
  variables {
    key_mode         = "memory"
    certificate_file = "tests/memory.env" # any file, because only the vault checks the content
  }
  override_data {
    target = data.azurerm_key_vault.existing
    values = {
      id                         = "/subscriptions/55555555-0000-4000-8000-000000000000/resourceGroups/mail/providers/Microsoft.KeyVault/vaults/contoso"
      vault_uri                  = "https://contoso.vault.azure.net/"
      rbac_authorization_enabled = false
    }
  }
  assert {
    condition     = length(azurerm_role_assignment.reader) == 0 && length(azurerm_key_vault_access_policy.reader[0].key_permissions) == 0
    error_message = "Roles in a vault of access policies, or permissions for keys."
  }
  assert {
    condition     = azurerm_key_vault_certificate.imported[0].certificate[0].contents == filebase64("tests/memory.env") && length(azurerm_key_vault_certificate.created) == 0 && azuread_application_certificate.mailbox.value == "3082AA"
    error_message = "The certificate is not imported as it is."
  }
}

run "two_secrets_while_one_follows_the_other" {
  variables {
    client_secrets = ["hmaproxy", "hmaproxy-2027"]
    location       = "westeurope"
  }
  assert {
    condition     = keys(azuread_application_password.reader) == ["hmaproxy", "hmaproxy-2027"]
    error_message = "The old secret is gone before the new one is in use."
  }
}

# This test runs setup.sh with the double of az, which check-terraform.sh puts in the
# place of az. A real az would be logged in to another tenant, and setup.sh would
# refuse it.
run "the_name_is_registered_by_the_script" {
  variables {
    register_exchange_name = true
    location               = "westeurope"
  }
  assert {
    condition     = length(terraform_data.exchange_name) == 1
    error_message = "Nothing registers the name."
  }
}

run "a_name_that_is_not_registered_is_a_warning" {
  variables {
    resource_id = "https://other.contoso.com"
    location    = "westeurope"
  }
  expect_failures = [check.exchange_name]
}

run "mistakes" {
  command = plan
  variables {
    ews_url            = "http://mail.contoso.com"
    resource_id        = "mail.contoso.com"
    vault_name         = "https://contoso.vault.azure.net"
    permission_model   = "acl"
    key_mode           = "hsm"
    certificate_name   = "HMA Cert"
    certificate_exists = true
    location           = "westeurope"
    mailbox_name       = "KV-App"
    client_secrets     = []
    allowed_mailboxes  = ["*@contoso.com", "!ceo@contoso.com"]
    authority_host     = "login.microsoftonline.com"
  }
  expect_failures = [
    var.ews_url, var.resource_id, var.vault_name, var.permission_model, var.key_mode, var.certificate_name,
    var.certificate_exists, var.mailbox_name, var.client_secrets, var.allowed_mailboxes, var.authority_host,
  ]
}
