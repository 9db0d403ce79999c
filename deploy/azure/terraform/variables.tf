variable "ews_url" {
  description = "Public EWS URL: https://mail.contoso.com/EWS/Exchange.asmx"
  type        = string
  validation {
    condition     = can(regex("^https://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9./_-]*)?$", var.ews_url))
    error_message = "ews_url must be an https URL."
  }
}

variable "resource_id" {
  description = "Resource for which tokens are issued. Unset: scheme and host of ews_url."
  type        = string
  default     = null
  validation {
    condition     = var.resource_id == null || can(regex("^https://[A-Za-z0-9.-]+(:[0-9]+)?/?$", var.resource_id))
    error_message = "resource_id must be https://host."
  }
}

variable "vault_name" {
  description = "Name of the Key Vault; one of its own for hmaproxy is best, since KV-App may read all of it."
  type        = string
  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{2,23}$", var.vault_name))
    error_message = "vault_name must be 3 to 24 letters, digits and hyphens."
  }
}

variable "resource_group_name" {
  description = "Resource group of the vault. It must exist."
  type        = string
}

variable "location" {
  description = "Where to create the vault: westeurope. Unset: the vault exists."
  type        = string
  default     = null
}

variable "permission_model" {
  description = "Permission model of a vault that is created: rbac, or policy (access policies). An existing vault keeps its own."
  type        = string
  default     = "rbac"
  validation {
    condition     = contains(["rbac", "policy"], var.permission_model)
    error_message = "permission_model must be rbac or policy."
  }
}

variable "allowed_addresses" {
  description = "Public addresses that may reach a vault that is created, such as 203.0.113.7/32, Terraform's own among them. Empty: all."
  type        = list(string)
  default     = []
}

variable "key_mode" {
  description = "memory: hmaproxy fetches the private key. vault: the key is not exportable, every assertion is signed in the vault."
  type        = string
  default     = "memory"
  validation {
    condition     = contains(["memory", "vault"], var.key_mode)
    error_message = "key_mode must be memory or vault."
  }
}

variable "certificate_name" {
  description = "Name of the certificate in the vault."
  type        = string
  default     = "HMA-Cert"
  validation {
    condition     = can(regex("^[A-Za-z0-9-]{1,127}$", var.certificate_name))
    error_message = "certificate_name must be letters, digits and hyphens."
  }
}

variable "certificate_exists" {
  description = "The certificate is in the vault already, and is left as it is."
  type        = bool
  default     = false
  validation {
    condition     = !(var.certificate_exists && (var.location != null || var.certificate_file != null))
    error_message = "A certificate that exists is in a vault that exists and is not imported: unset location and certificate_file."
  }
}

variable "certificate_file" {
  description = "Import this PFX, or this PEM with a PKCS #8 key (.pem), instead of creating a certificate. State then holds the private key."
  type        = string
  default     = null
}

variable "certificate_password" {
  description = "Password of certificate_file."
  type        = string
  default     = ""
  sensitive   = true
}

variable "certificate_key_size" {
  description = "Size of the RSA key in certificate_file, for key_mode vault."
  type        = number
  default     = 2048
}

variable "reader_name" {
  description = "Display name of the application that reads the vault."
  type        = string
  default     = "KV-App"
}

variable "mailbox_name" {
  description = "Display name of the application that opens mailboxes."
  type        = string
  default     = "HMA-App"
  validation {
    condition     = var.mailbox_name != var.reader_name
    error_message = "mailbox_name and reader_name must differ: whoever reads the vault should not open mail."
  }
}

variable "client_secrets" {
  description = "Names of KV-App's client secrets, each valid for a year; the last one is in the env file. To change without an outage append a name, apply, give hmaproxy the new env file, then remove the old name and apply."
  type        = list(string)
  default     = ["hmaproxy"]
  validation {
    condition     = length(var.client_secrets) > 0
    error_message = "client_secrets must name at least one."
  }
}

variable "register_exchange_name" {
  description = "Register the EWS host as a service principal name of Exchange. Needs bash and az, logged in to the same tenant, where Terraform runs; without them do it by hand (docs/setup.md, step 5)."
  type        = bool
  default     = true
}

# A test checks that hmaproxy and this variable accept the same entries.
variable "allowed_mailboxes" {
  description = "Allow-list for the env file: [\"alice@contoso.com\", \"*@rooms.contoso.com\"]. [\"*\"] means every mailbox."
  type        = list(string)
  default     = []
  nullable    = false
  validation {
    condition = var.allowed_mailboxes == tolist(["*"]) || alltrue([for entry in var.allowed_mailboxes : anytrue([
      # An address, also after upn:, or *@domain: at most 254 characters, 64 before the @.
      can(regex("^([Uu][Pp][Nn]:)?[A-Za-z0-9!#$&'+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$&'+/=?^_`{|}~-]+)*@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$", entry))
      && length(replace(entry, "/^[Uu][Pp][Nn]:/", "")) <= 254
      && length(split("@", replace(entry, "/^[Uu][Pp][Nn]:/", ""))[0]) <= 64,
      can(regex("^\\*@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$", entry)) && length(entry) <= 254,
      can(regex("^[Gg][Uu][Ii][Dd]:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", entry)) && can(regex("[1-9a-fA-F]", substr(entry, 5, -1))),
      can(regex("^[Ss][Ii][Dd]:[Ss]-1-(0|[1-9][0-9]{0,14})(-(0|[1-9][0-9]{0,9})){1,15}$", entry))
      && try(tonumber(split("-", entry)[2]) <= 281474976710655, false)
      && alltrue([for number in slice(split("-", entry), min(3, length(split("-", entry))), length(split("-", entry))) : try(tonumber(number) <= 4294967295, false)]),
    ])])
    error_message = "allowed_mailboxes has an entry that hmaproxy refuses. Valid: alice@contoso.com, *@contoso.com, upn:alice@contoso.com, sid:S-1-5-21-…, guid:01234567-…, or * alone for every mailbox."
  }
  validation {
    condition = alltrue([
      for entry in var.allowed_mailboxes : entry == "*" || can(regex("^\\*@|^[Ss][Ii][Dd]:|^[Gg][Uu][Ii][Dd]:", entry)) || !anytrue([
        can(regex("^[^@]*=", entry)),
        can(regex("^[^@]*([$][{]|[{][{])", entry)),
        can(regex("^([Uu][Pp][Nn]:)?[$][A-Z_]+@", entry)),
        !can(regex("^[A-Za-z0-9_$]", replace(entry, "/^[Uu][Pp][Nn]:/", ""))),
      ])
    ])
    error_message = "allowed_mailboxes has an entry that looks like an exception, a variable or an assignment. Expected are the addresses that are allowed, and no others."
  }
}

variable "authority_host" {
  description = "Sign-in service of the cloud."
  type        = string
  default     = "https://login.microsoftonline.com"
  validation {
    condition     = can(regex("^https://[A-Za-z0-9.-]+(:[0-9]+)?/?$", var.authority_host))
    error_message = "authority_host must be https://host."
  }
}

variable "creator_role" {
  description = "Give whoever applies the role Key Vault Certificates Officer on a new vault with permission model rbac. Set it to false after the first apply to take the role back; every later plan then needs a role that may read certificates, such as Key Vault Reader."
  type        = bool
  default     = true
}
