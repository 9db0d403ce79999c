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

# Who logs in, to which tenant and subscription: az login and
# ARM_SUBSCRIPTION_ID, or any other way the providers know. For another cloud
# set ARM_ENVIRONMENT.
provider "azuread" {}

provider "azurerm" {
  resource_providers_to_register = ["Microsoft.KeyVault"]

  features {
    key_vault {
      # What destroy deletes can be recovered for as long as the vault keeps it.
      purge_soft_delete_on_destroy               = false
      purge_soft_deleted_certificates_on_destroy = false
    }
  }
}
