#!/usr/bin/env bash
# Sets up the cloud half of hmaproxy with the Azure CLI: the certificate in Key
# Vault, the application that may read it, the application that may open
# mailboxes, and Exchange's name in Entra ID. What is there already stays as it
# is, so it can be run again. The env file goes to standard output (or -o), all
# else to standard error.
set -euo pipefail

readonly exchange=00000002-0000-0ff1-ce00-000000000000 # Office 365 Exchange Online, in every tenant
readonly full_access=dc890d15-9560-4a4c-9b7f-a736ec74ec40 # its application permission full_access_as_app

usage() {
    cat <<'END'
usage: setup.sh -e EWS-URL -v VAULT [options]
       setup.sh -x -e EWS-URL [-r URL] [-t TENANT] [-n]

  -e URL        public EWS URL: https://mail.contoso.com/EWS/Exchange.asmx
  -v NAME       name of the Key Vault; one of its own for hmaproxy is best
  -g GROUP      resource group, when the vault is to be created
  -l LOCATION   location, when the vault is to be created: westeurope
  -p MODEL      permission model of a vault to be created: rbac (default) or
                policy (access policies). An existing vault keeps its own.
  -c NAME       name of the certificate (HMA-Cert)
  -i FILE       import this PFX or PEM with its key instead of creating a
                certificate; its password, if any, from CERT_PASSWORD
  -k MODE       memory (default: hmaproxy fetches the key) or vault (the key
                is not exportable, every assertion is signed in the vault)
  -r URL        resource, if not scheme and host of the EWS URL
  -m LIST       allow-list for the env file: alice@contoso.com,*@rooms.contoso.com
  -K NAME       display name of the application that reads the vault (KV-App)
  -A NAME       display name of the application that opens mailboxes (HMA-App)
  -s            make a new client secret for KV-App though it has one
  -t TENANT     id of the tenant that is meant; in another one nothing is done
  -x            register the EWS host with Exchange, and nothing else
  -o FILE       write the env file there (mode 0600), not to standard output
  -n            dry run: look, change nothing, say what would be run
  -h            this text

Needs bash 4.4 and az, logged in (az login) to the tenant of Exchange, as somebody who may
create applications, grant admin consent (Privileged Role Administrator or
Global Administrator) and manage the vault (Owner of the resource group).
END
}

say() { printf '%s\n' "$*" >&2; }
die() { say "setup.sh: $*"; exit 1; }

# change runs a command that changes something, or says so in a dry run.
change() {
    if [[ $dry ]]; then
        [[ $1 != retry ]] || shift
        printf 'would run:' >&2
        printf ' %q' "$@" >&2
        printf '\n' >&2
        return 0
    fi
    "$@"
}

# retry is for what takes effect late: role assignments, new applications.
retry() {
    local try
    for try in 1 2 3 4 5 6 7 8 9; do
        "$@" && return 0
        say "  not yet (try $try of 10); new applications and roles take a while to be known"
        sleep 15
    done
    "$@"
}

parse() {
    ews='' vault='' group='' location='' model=rbac cert=HMA-Cert import='' mode=memory resource=''
    list='' kv_name=KV-App hma_name=HMA-App renew='' output='' dry='' expected='' only_name=''
    local option
    while getopts e:v:g:l:p:c:i:k:r:m:K:A:t:xso:nh option; do
        case $option in
        e) ews=$OPTARG ;; v) vault=$OPTARG ;; g) group=$OPTARG ;; l) location=$OPTARG ;;
        p) model=$OPTARG ;; c) cert=$OPTARG ;; i) import=$OPTARG ;; k) mode=$OPTARG ;;
        r) resource=$OPTARG ;; m) list=$OPTARG ;; K) kv_name=$OPTARG ;; A) hma_name=$OPTARG ;;
        t) expected=$OPTARG ;; x) only_name=1 ;; s) renew=1 ;; o) output=$OPTARG ;; n) dry=1 ;;
        h) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
        esac
    done
    shift $((OPTIND - 1))
    [[ $# -eq 0 ]] || { say "setup.sh: unexpected argument: $1"; exit 2; }
}

check() {
    local problem=''
    [[ $ews =~ ^https://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9./_-]*)?$ ]] || problem='-e must be an https URL'
    [[ $only_name || $vault =~ ^[A-Za-z][A-Za-z0-9-]{2,23}$ ]] || problem='-v must be the name of a vault: 3 to 24 letters, digits, hyphens'
    [[ $cert =~ ^[A-Za-z0-9-]{1,127}$ ]] || problem='-c must be letters, digits and hyphens'
    [[ $model == rbac || $model == policy ]] || problem='-p must be rbac or policy'
    [[ $mode == memory || $mode == vault ]] || problem='-k must be memory or vault'
    [[ -z $import || -r $import ]] || problem='-i: the file cannot be read'
    [[ $kv_name$hma_name != *[\'\"]* ]] || problem='-K and -A must not hold quotes'
    [[ $kv_name != "$hma_name" ]] || problem='-K and -A must differ: whoever reads the vault should not open mail'
    if [[ -z $resource ]]; then
        resource=${ews#https://}
        resource=https://${resource%%[:/]*}
    fi
    [[ $problem || $resource =~ ^https://[A-Za-z0-9.-]+(:[0-9]+)?/?$ ]] || problem='-r must be https://host'
    [[ -z $problem ]] || { say "setup.sh: $problem"; exit 2; }
    ((BASH_VERSINFO[0] * 10 + BASH_VERSINFO[1] >= 44)) || die 'bash 4.4 or later is needed (Azure Cloud Shell has it)'
    command -v az >/dev/null || die 'az is not installed: https://aka.ms/installazurecli'
}

login() {
    tenant=$(az account show --query tenantId -o tsv) || die 'not logged in: az login'
    [[ -z $expected || ${expected,,} == "${tenant,,}" ]] || die "az is logged in to the tenant $tenant: az login --tenant $expected"
    authority=$(az cloud show --query endpoints.activeDirectory -o tsv)
    graph=$(az cloud show --query endpoints.microsoftGraphResourceId -o tsv)
    authority=${authority%/} graph=${graph%/}
    say "tenant $tenant"
}

# --- the vault and the certificate ---

find_vault() {
    vault_id=$(az keyvault show -n "$vault" --query id -o tsv 2>/dev/null) || vault_id=''
    if [[ -z $vault_id ]]; then
        create_vault
        return
    fi
    vault_uri=$(az keyvault show -n "$vault" --query properties.vaultUri -o tsv)
    model=policy
    if [[ $(az keyvault show -n "$vault" --query properties.enableRbacAuthorization -o tsv) == [Tt]rue ]]; then
        model=rbac
    fi
    say "vault $vault: is there, permission model $model"
}

create_vault() {
    [[ $group && $location ]] || die "there is no vault $vault, or you may not see it: to create it, say -g and -l"
    say "vault $vault: to be created, permission model $model"
    local rbac=true
    [[ $model == rbac ]] || rbac=false
    change az keyvault create -n "$vault" -g "$group" -l "$location" --enable-rbac-authorization "$rbac" -o none
    if [[ $dry ]]; then
        vault_id=VAULT-ID vault_uri=https://$vault.vault.azure.net
    else
        vault_id=$(az keyvault show -n "$vault" --query id -o tsv)
        vault_uri=$(az keyvault show -n "$vault" --query properties.vaultUri -o tsv)
    fi
    if [[ $model == rbac ]]; then # whoever creates such a vault may not yet write to it
        local me
        me=$(az ad signed-in-user show --query id -o tsv) || die 'creating an RBAC vault needs a signed-in user'
        change az role assignment create --assignee-object-id "$me" --assignee-principal-type User \
            --role 'Key Vault Certificates Officer' --scope "$vault_id" -o none
    fi
}

thumbprint() { az keyvault certificate show --vault-name "$vault" -n "$cert" --query x509ThumbprintHex -o tsv; }

make_certificate() {
    if print=$(thumbprint 2>/dev/null) && [[ $print ]]; then
        say "certificate $cert: is there, thumbprint $print"
        return
    fi
    if [[ $import ]]; then
        say "certificate $cert: to be imported"
        local password=()
        if [[ ${CERT_PASSWORD:-} ]]; then
            password=(--password "$([[ $dry ]] && echo '***' || echo "$CERT_PASSWORD")")
        fi
        local kept=()
        if [[ $mode == vault ]]; then
            import_policy >"$scratch/policy.json"
            kept=(--policy "@$scratch/policy.json")
        fi
        change retry az keyvault certificate import --vault-name "$vault" -n "$cert" --file "$import" "${password[@]}" "${kept[@]}" -o none
    else
        say "certificate $cert: to be created (RSA 2048, self-signed, one year)"
        policy >"$scratch/policy.json"
        change retry az keyvault certificate create --vault-name "$vault" -n "$cert" --policy "@$scratch/policy.json" -o none
    fi
    print=THUMBPRINT
    [[ $dry ]] || print=$(thumbprint)
}

policy() {
    local exportable=true
    [[ $mode == memory ]] || exportable=false
    cat <<END
{
  "issuerParameters": {"name": "Self"},
  "keyProperties": {"exportable": $exportable, "keySize": 2048, "keyType": "RSA", "reuseKey": false},
  "lifetimeActions": [{"action": {"actionType": "AutoRenew"}, "trigger": {"daysBeforeExpiry": 60}}],
  "secretProperties": {"contentType": "application/x-pkcs12"},
  "x509CertificateProperties": {"keyUsage": ["digitalSignature"], "subject": "CN=$cert", "validityInMonths": 12}
}
END
}

# import_policy keeps an imported key in the vault, which would else give it out.
import_policy() {
    cat <<'END'
{
  "issuerParameters": {"name": "Unknown"},
  "keyProperties": {"exportable": false, "keyType": "RSA", "reuseKey": false},
  "secretProperties": {"contentType": "application/x-pkcs12"}
}
END
}

# --- the applications ---

# application finds or makes an application and its service principal, and
# sets app and principal.
application() {
    local name=$1 found
    found=$(az ad app list --filter "displayName eq '$name'" --query '[].appId' -o tsv)
    [[ $(wc -w <<<"$found") -le 1 ]] || die "several applications are called $name: choose another name with -K or -A"
    app=$found
    if [[ -z $app ]]; then
        say "application $name: to be created"
        app=$(change az ad app create --display-name "$name" --sign-in-audience AzureADMyOrg --query appId -o tsv)
        [[ ! $dry ]] || app=$name-ID
    else
        say "application $name: is there, $app"
    fi
    principal=$(az ad sp show --id "$app" --query id -o tsv 2>/dev/null) || principal=''
    if [[ -z $principal ]]; then
        principal=$(change retry az ad sp create --id "$app" --query id -o tsv)
        [[ ! $dry ]] || principal=$name-PRINCIPAL
    fi
}

kv_app() {
    application "$kv_name"
    kv_id=$app
    permit "$principal"
    local now existing=''
    now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    if [[ $kv_id != *-ID ]]; then
        existing=$(az ad app credential list --id "$kv_id" --query "[?displayName=='hmaproxy' && endDateTime>'$now'].keyId" -o tsv)
    fi
    secret=''
    if [[ $existing && ! $renew ]]; then
        say "client secret of $kv_name: is there and cannot be shown again; -s makes a new one"
        return
    fi
    say "client secret of $kv_name: to be created, for one year"
    secret=$(change retry az ad app credential reset --id "$kv_id" --append --display-name hmaproxy --years 1 --query password -o tsv --only-show-errors)
    [[ ! $dry ]] || secret='***'
}

# permit lets a service principal read the certificate, by the vault's model.
permit() {
    local role keys=()
    if [[ $model == policy ]]; then
        [[ $mode == memory ]] || keys=(--key-permissions get sign)
        change retry az keyvault set-policy -n "$vault" --object-id "$1" --secret-permissions get --certificate-permissions get "${keys[@]}" -o none
        return
    fi
    local roles=('Key Vault Secrets User' 'Key Vault Certificate User')
    [[ $mode == memory ]] || roles+=('Key Vault Crypto User')
    for role in "${roles[@]}"; do
        if [[ $vault_id != VAULT-ID && $1 != *-PRINCIPAL &&
            $(az role assignment list --assignee "$1" --role "$role" --scope "$vault_id" --query '[].id' -o tsv) ]]; then
            continue
        fi
        change retry az role assignment create --assignee-object-id "$1" --assignee-principal-type ServicePrincipal \
            --role "$role" --scope "$vault_id" -o none
    done
}

hma_app() {
    application "$hma_name"
    hma_id=$app
    register_certificate
    local requested=''
    if [[ $hma_id != *-ID ]]; then
        requested=$(az ad app permission list --id "$hma_id" --query "[?resourceAppId=='$exchange'].resourceAccess[].id" -o tsv)
    fi
    if [[ $requested != *$full_access* ]]; then
        say "permission full_access_as_app: to be added"
        change retry az ad app permission add --id "$hma_id" --api "$exchange" --api-permissions "$full_access=Role" -o none --only-show-errors
    fi
    consent "$principal"
}

# register_certificate uploads the public half, unless it is there. Entra shows
# the thumbprint in hexadecimal or in base64, as the version of az has it.
register_certificate() {
    local registered='' bytes='' base64 i
    if [[ $hma_id != *-ID ]]; then
        registered=$(az ad app credential list --id "$hma_id" --cert --query '[].customKeyIdentifier' -o tsv)
    fi
    [[ $print == THUMBPRINT ]] || for ((i = 0; i < ${#print}; i += 2)); do bytes+="\\x${print:i:2}"; done
    base64=$(printf '%b' "$bytes" | base64)
    if [[ $print != THUMBPRINT && ( ${registered^^} == *${print^^}* || $registered == *$base64* ) ]]; then
        say "certificate on $hma_name: is registered"
        return
    fi
    say "certificate on $hma_name: to be registered"
    change az keyvault certificate download --vault-name "$vault" -n "$cert" -f "$scratch/cert.pem" -e PEM
    change retry az ad app credential reset --id "$hma_id" --cert "@$scratch/cert.pem" --append -o none --only-show-errors
}

# consent grants full_access_as_app: an assignment of the role is all that
# admin consent means for an application permission.
consent() {
    local granted='' resource_id
    if [[ $1 != *-PRINCIPAL ]]; then
        granted=$(az rest --method GET --uri "$graph/v1.0/servicePrincipals/$1/appRoleAssignments" --query "value[?appRoleId=='$full_access'].id" -o tsv)
    fi
    if [[ $granted ]]; then
        say "admin consent: is granted"
        return
    fi
    say "admin consent: to be granted"
    resource_id=$(az ad sp show --id "$exchange" --query id -o tsv)
    change retry az rest --method POST --uri "$graph/v1.0/servicePrincipals/$1/appRoleAssignments" --headers Content-Type=application/json \
        --body "{\"principalId\":\"$1\",\"resourceId\":\"$resource_id\",\"appRoleId\":\"$full_access\"}" -o none
}

# register_exchange adds the EWS host to Exchange's names. All names are sent,
# since the list is replaced as a whole.
register_exchange() {
    local names id
    names=$(az ad sp show --id "$exchange" --query servicePrincipalNames -o tsv) || die "the tenant has no service principal of Office 365 Exchange Online ($exchange)"
    if grep -qixF -e "${resource%/}" -e "${resource%/}/" <<<"$names"; then
        say "service principal name ${resource%/}: is registered"
        return
    fi
    say "service principal name $resource: to be registered"
    id=$(az ad sp show --id "$exchange" --query id -o tsv)
    {
        printf '{"servicePrincipalNames":['
        while IFS= read -r name; do [[ -z $name ]] || printf '"%s",' "$name"; done <<<"$names"
        printf '"%s"]}' "$resource"
    } >"$scratch/names.json"
    change az rest --method PATCH --uri "$graph/v1.0/servicePrincipals/$id" --headers Content-Type=application/json --body "@$scratch/names.json" -o none
}

# --- the env file ---

env_file() {
    echo '# Settings of hmaproxy, for -env-file. Keep this file to yourself: it holds a secret.'
    echo "HMA_EWS_URL=$ews"
    echo "HMA_RESOURCE_ID=$resource"
    echo "HMA_TENANT_ID=$tenant"
    echo "HMA_APP_ID=$hma_id"
    echo "HMA_KEY_VAULT_URI=${vault_uri%/}"
    echo "HMA_KEY_VAULT_CERT_NAME=$cert"
    echo "HMA_KEY_VAULT_APP_ID=$kv_id"
    if [[ $secret ]]; then
        echo "HMA_KEY_VAULT_CLIENT_SECRET=$secret"
    else
        echo '# The secret was made earlier; write its value here, or run setup.sh -s for a new one.'
        echo '#HMA_KEY_VAULT_CLIENT_SECRET='
    fi
    [[ $mode == memory ]] || echo "HMA_KEY_MODE=vault"
    [[ $authority == https://login.microsoftonline.com ]] || echo "HMA_AUTHORITY_HOST=$authority"
    if [[ $list ]]; then
        echo "HMA_ALLOWED_MAILBOXES=$list"
    else
        echo '# Without an allow-list clients can open every mailbox of the organisation.'
        echo '#HMA_ALLOWED_MAILBOXES=alice@contoso.com'
    fi
}

main() {
    parse "$@"
    check
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    login
    if [[ $only_name ]]; then
        register_exchange
        return
    fi
    find_vault
    make_certificate
    kv_app
    hma_app
    register_exchange
    if [[ $dry ]]; then
        say 'dry run: nothing was changed. The env file would be:'
    fi
    if [[ $output && ! $dry ]]; then
        (umask 077 && : >"$output" && chmod 600 "$output" && env_file >"$output")
        say "written: $output. Next: hmaproxy doctor -env-file $output -mailbox YOURS"
    else
        env_file
    fi
}

main "$@"
