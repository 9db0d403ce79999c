# The vault, the certificate in it, and what KV-App may do there.

data "azurerm_client_config" "current" {}

locals {
  create_vault = var.location != null
  vault_id     = local.create_vault ? azurerm_key_vault.created[0].id : data.azurerm_key_vault.existing[0].id
  vault_uri    = local.create_vault ? azurerm_key_vault.created[0].vault_uri : data.azurerm_key_vault.existing[0].vault_uri
  rbac         = local.create_vault ? var.permission_model == "rbac" : data.azurerm_key_vault.existing[0].rbac_authorization_enabled
}

data "azurerm_key_vault" "existing" {
  count = local.create_vault ? 0 : 1

  name                = var.vault_name
  resource_group_name = var.resource_group_name
}

resource "azurerm_key_vault" "created" {
  count = local.create_vault ? 1 : 0

  name                       = var.vault_name
  resource_group_name        = var.resource_group_name
  location                   = var.location
  tenant_id                  = data.azurerm_client_config.current.tenant_id
  sku_name                   = "standard"
  rbac_authorization_enabled = var.permission_model == "rbac"
  soft_delete_retention_days = 90

  network_acls {
    bypass         = "None"
    default_action = length(var.allowed_addresses) == 0 ? "Allow" : "Deny"
    ip_rules       = var.allowed_addresses
  }
}

# The creator of a vault has no permission to write to it yet.

resource "azurerm_role_assignment" "creator" {
  count = local.create_vault && var.permission_model == "rbac" && var.creator_role ? 1 : 0

  scope                = local.vault_id
  role_definition_name = "Key Vault Certificates Officer"
  principal_id         = data.azurerm_client_config.current.object_id
}

resource "azurerm_key_vault_access_policy" "creator" {
  count = local.create_vault && var.permission_model == "policy" ? 1 : 0

  key_vault_id            = local.vault_id
  tenant_id               = data.azurerm_client_config.current.tenant_id
  object_id               = data.azurerm_client_config.current.object_id
  certificate_permissions = ["Create", "Delete", "Get", "Import", "List", "Recover", "Update"]
}

# A new role takes effect in the vault after some minutes. The certificate needs the
# role, and its resource does not wait for that.
resource "time_sleep" "role" {
  count = length(azurerm_role_assignment.creator)

  create_duration = "3m"
  triggers        = { role = azurerm_role_assignment.creator[0].id }
}

# --- the certificate ---

locals {
  # The data source and both resources have the same values under different names.
  found = var.certificate_exists ? {
    data       = data.azurerm_key_vault_certificate.existing[0].certificate_data
    not_before = data.azurerm_key_vault_certificate.existing[0].not_before
    expires    = data.azurerm_key_vault_certificate.existing[0].expires
  } : null
  made = [for c in concat(azurerm_key_vault_certificate.created, azurerm_key_vault_certificate.imported) : {
    data       = c.certificate_data
    not_before = c.certificate_attribute[0].not_before
    expires    = c.certificate_attribute[0].expires
  }]
  certificate = var.certificate_exists ? local.found : local.made[0]

  pem = var.certificate_file == null ? false : endswith(lower(var.certificate_file), ".pem")
}

data "azurerm_key_vault_certificate" "existing" {
  count = var.certificate_exists ? 1 : 0

  name         = var.certificate_name
  key_vault_id = local.vault_id
}

resource "azurerm_key_vault_certificate" "created" {
  count = var.certificate_exists || var.certificate_file != null ? 0 : 1

  name         = var.certificate_name
  key_vault_id = local.vault_id

  certificate_policy {
    issuer_parameters {
      name = "Self"
    }
    key_properties {
      exportable = var.key_mode == "memory"
      key_type   = "RSA"
      key_size   = 2048
      reuse_key  = false
    }
    lifetime_action {
      action {
        action_type = "AutoRenew"
      }
      trigger {
        days_before_expiry = 60
      }
    }
    secret_properties {
      content_type = "application/x-pkcs12"
    }
    x509_certificate_properties {
      key_usage          = ["digitalSignature"]
      subject            = "CN=${var.certificate_name}"
      validity_in_months = 12
    }
  }

  depends_on = [azurerm_key_vault_access_policy.creator, time_sleep.role]
}

resource "azurerm_key_vault_certificate" "imported" {
  count = var.certificate_file == null ? 0 : 1

  name         = var.certificate_name
  key_vault_id = local.vault_id

  certificate {
    contents = local.pem ? file(var.certificate_file) : filebase64(var.certificate_file)
    password = var.certificate_password
  }

  # Without a policy, the private key would be exportable.
  dynamic "certificate_policy" {
    for_each = var.key_mode == "vault" ? ["Unknown"] : []
    content {
      issuer_parameters {
        name = certificate_policy.value
      }
      key_properties {
        exportable = false
        key_type   = "RSA"
        key_size   = var.certificate_key_size
        reuse_key  = false
      }
      secret_properties {
        content_type = local.pem ? "application/x-pem-file" : "application/x-pkcs12"
      }
    }
  }

  lifecycle {
    # The vault extends the policy. Without this line, the provider would notice the
    # difference and make the vault issue a new certificate.
    ignore_changes = [certificate_policy]
  }

  depends_on = [azurerm_key_vault_access_policy.creator, time_sleep.role]
}

# --- what KV-App may do ---

resource "azurerm_role_assignment" "reader" {
  for_each = toset(!local.rbac ? [] : concat(
    ["Key Vault Secrets User", "Key Vault Certificate User"],
    var.key_mode == "vault" ? ["Key Vault Crypto User"] : [],
  ))

  scope                = local.vault_id
  role_definition_name = each.value
  principal_id         = azuread_service_principal.reader.object_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_key_vault_access_policy" "reader" {
  count = local.rbac ? 0 : 1

  key_vault_id            = local.vault_id
  tenant_id               = data.azurerm_client_config.current.tenant_id
  object_id               = azuread_service_principal.reader.object_id
  secret_permissions      = ["Get"]
  certificate_permissions = ["Get"]
  key_permissions         = var.key_mode == "vault" ? ["Get", "Sign"] : []
}
