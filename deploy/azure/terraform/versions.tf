terraform {
  required_version = ">= 1.9"

  required_providers {
    azuread = {
      source  = "hashicorp/azuread"
      version = "~> 3.4"
    }
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.0"
    }
    time = {
      source  = "hashicorp/time"
      version = "~> 0.12"
    }
  }
}

# The providers take the account, the tenant and the subscription from az login and
# ARM_SUBSCRIPTION_ID, or from another source that they support. For another cloud
# set ARM_ENVIRONMENT.
provider "azuread" {}

provider "azurerm" {
  resource_providers_to_register = ["Microsoft.KeyVault"]

  features {
    key_vault {
      # After destroy, the vault and the certificate can be recovered until the end of
      # the vault's retention period.
      purge_soft_delete_on_destroy               = false
      purge_soft_deleted_certificates_on_destroy = false
    }
  }
}
