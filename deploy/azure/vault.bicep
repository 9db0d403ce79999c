// The vault half of hmaproxy's set-up, for those who keep their Azure resources
// as Bicep: a vault of its own for HMA-Cert, and what KV-App may do in it.
//
//   az deployment group create -g GROUP -f vault.bicep \
//     -p name=contoso-hma readerObjectId=$(az ad sp show --id KV-APP-ID --query id -o tsv)
//
// Certificates and applications are no Azure resources: setup.sh does the rest,
// and leaves this vault as it is.

@description('Name of the vault, unique in all of Azure: 3 to 24 letters, digits and hyphens.')
@minLength(3)
@maxLength(24)
param name string

param location string = resourceGroup().location

@description('Object id of the service principal (not the application id) that reads the vault: KV-App, or a managed identity.')
param readerObjectId string

@description('rbac: role assignments, the default of new vaults. policy: access policies.')
@allowed([ 'rbac', 'policy' ])
param permissionModel string = 'rbac'

@description('memory: hmaproxy fetches the private key. vault: it has every assertion signed in the vault (HMA_KEY_MODE=vault).')
@allowed([ 'memory', 'vault' ])
param keyMode string = 'memory'

@description('Public addresses that may reach the vault, such as 203.0.113.7/32. Empty: all.')
param allowedAddresses array = []

var rbac = permissionModel == 'rbac'

// Built-in roles, by their ids in every tenant.
var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6' // Key Vault Secrets User
var certificateUser = 'db79e9a7-68ee-4b58-9aeb-b90e7c24fcba' // Key Vault Certificate User
var cryptoUser = '12338af0-0e69-4776-bea7-57ae8d297424' // Key Vault Crypto User
var needed = keyMode == 'vault' ? [ secretsUser, certificateUser, cryptoUser ] : [ secretsUser, certificateUser ]
var roles = rbac ? needed : []

var addressRules = [for address in allowedAddresses: {
  value: address
}]

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: name
  location: location
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: rbac
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    accessPolicies: rbac ? [] : [
      {
        tenantId: subscription().tenantId
        objectId: readerObjectId
        permissions: {
          secrets: [ 'get' ]
          certificates: [ 'get' ]
          keys: keyMode == 'vault' ? [ 'get', 'sign' ] : []
        }
      }
    ]
    networkAcls: {
      bypass: 'None'
      defaultAction: empty(allowedAddresses) ? 'Allow' : 'Deny'
      ipRules: addressRules
    }
  }
}

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in roles: {
  name: guid(vault.id, readerObjectId, role)
  scope: vault
  properties: {
    principalId: readerObjectId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
  }
}]

output HMA_KEY_VAULT_URI string = vault.properties.vaultUri
