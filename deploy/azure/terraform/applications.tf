# KV-App, HMA-App, and Exchange's name in Entra ID.

data "azuread_client_config" "current" {}

locals {
  # Office 365 Exchange Online, in every tenant.
  exchange = "00000002-0000-0ff1-ce00-000000000000"
  resource = coalesce(var.resource_id, regex("^https://[^:/]+", var.ews_url))
}

data "azuread_service_principal" "exchange" {
  client_id = local.exchange
}

# --- KV-App: reads the vault ---

resource "azuread_application" "reader" {
  display_name            = var.reader_name
  sign_in_audience        = "AzureADMyOrg"
  prevent_duplicate_names = true
}

resource "azuread_service_principal" "reader" {
  client_id = azuread_application.reader.client_id
}

resource "time_static" "secret" {
  for_each = toset(var.client_secrets)
}

resource "azuread_application_password" "reader" {
  for_each = toset(var.client_secrets)

  application_id = azuread_application.reader.id
  display_name   = each.value
  end_date       = timeadd(time_static.secret[each.value].rfc3339, "8760h")
}

# --- HMA-App: opens mailboxes ---

resource "azuread_application" "mailbox" {
  display_name            = var.mailbox_name
  sign_in_audience        = "AzureADMyOrg"
  prevent_duplicate_names = true

  required_resource_access {
    resource_app_id = local.exchange
    resource_access {
      id   = data.azuread_service_principal.exchange.app_role_ids["full_access_as_app"]
      type = "Role"
    }
  }
}

resource "azuread_service_principal" "mailbox" {
  client_id = azuread_application.mailbox.client_id
}

# After a renewal, the next apply registers the new version before it removes the
# old version. hmaproxy tries all versions that it has.
resource "azuread_application_certificate" "mailbox" {
  application_id = azuread_application.mailbox.id
  type           = "AsymmetricX509Cert"
  encoding       = "hex"
  value          = local.certificate.data
  start_date     = local.certificate.not_before
  end_date       = local.certificate.expires

  lifecycle {
    create_before_destroy = true
  }
}

# For an application permission, admin consent consists of this assignment only.
resource "azuread_app_role_assignment" "full_access" {
  app_role_id         = data.azuread_service_principal.exchange.app_role_ids["full_access_as_app"]
  principal_object_id = azuread_service_principal.mailbox.object_id
  resource_object_id  = data.azuread_service_principal.exchange.object_id
}

# --- Exchange's name ---

# The names belong to the tenant, because the hybrid set-up and Outlook use them.
# Graph replaces the list of names as a whole. Therefore no resource owns the list.
# At apply, a resource would write the list that was read at plan, and would remove
# names that were added in between. destroy must not change the list, because other
# programs use the name. The script reads and writes the list within a second, adds
# only a missing name, and does nothing on destroy.
resource "terraform_data" "exchange_name" {
  count = var.register_exchange_name ? 1 : 0

  triggers_replace = [data.azuread_client_config.current.tenant_id, local.resource]

  provisioner "local-exec" {
    interpreter = ["bash", "-c"]
    command     = "exec bash \"$SETUP\" -x -t \"$TENANT\" -e \"$EWS_URL\" -r \"$RESOURCE\""
    environment = {
      SETUP    = "${path.module}/../setup.sh"
      TENANT   = data.azuread_client_config.current.tenant_id
      EWS_URL  = var.ews_url
      RESOURCE = local.resource
    }
  }
}

# If the name is removed later, every plan shows a warning.
check "exchange_name" {
  data "azuread_service_principal" "after" {
    client_id  = local.exchange
    depends_on = [terraform_data.exchange_name]
  }

  assert {
    condition = contains(
      [for name in data.azuread_service_principal.after.service_principal_names : trimsuffix(lower(name), "/")],
      trimsuffix(lower(local.resource), "/"),
    )
    error_message = "${local.resource} is not a service principal name of Office 365 Exchange Online, so Entra ID issues no token for it (AADSTS500011). Run setup.sh -x -e ${var.ews_url} -r ${local.resource}, or docs/setup.md, step 5."
  }
}
