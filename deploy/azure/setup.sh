#!/usr/bin/env bash
# Sets up what hmaproxy needs in Azure with the Azure CLI: the certificate in Key
# Vault, the application that may read it, the application that may open
# mailboxes, and Exchange's name in Entra ID. It adds what is missing and can be
# run again. The env file goes to standard output (or -o), everything else to
# standard error. Exit status: 0 done, 1 failed or not complete, 2 wrong use.
set -euo pipefail

readonly exchange=00000002-0000-0ff1-ce00-000000000000 # Office 365 Exchange Online, in every tenant
readonly officer='Key Vault Certificates Officer' # what creating a certificate needs
readonly full_access=dc890d15-9560-4a4c-9b7f-a736ec74ec40 # Exchange's application permission full_access_as_app

usage() {
    cat <<'END'
usage: setup.sh -e EWS-URL -v VAULT [options]
       setup.sh -x -e EWS-URL [-r URL] [-t TENANT] [-n]
       setup.sh --drop-role -v VAULT [-n]

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
  --kv-app-id ID, --hma-app-id ID
                use this existing application. Without the id, an application
                of that name is used only if it has no owner but you and no
                credential but the certificate in the vault.
  -s            make a new client secret for KV-App though it has one
  -t TENANT     id of the tenant that is meant; in another one nothing is done
  -x            register the EWS host with Exchange, and nothing else
  --drop-role   take back the role on the vault that this script gave to you
  -o FILE       write the env file there (mode 0600), not to standard output.
                A file that is there gives the ids of the applications; what it
                lacks is added, and where a value would change, FILE.new is
                written instead.
  -n            dry run: look, change nothing, say what would be run
  -h, --help    this text

Needs bash 4.4 and az, logged in (az login) to the tenant of Exchange, as
somebody who may create applications and manage the vault (Owner of the resource
group). Admin consent needs Cloud Application Administrator, Application
Administrator, Privileged Role Administrator or Global Administrator; who has
none of them gets a URL to hand to somebody who has.
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

# retry runs a command up to ten times, because it may depend on a role assignment
# or an application that has not taken effect yet. retry returns 77 without another
# try when Azure refuses for lack of a role or because of the input.
retry() {
    local try
    for ((try = 1; try <= 10; try++)); do
        "$@" 2>"$scratch/error" && return 0
        cat "$scratch/error" >&2
        ! grep -qE 'AuthorizationFailed|BadParameter' "$scratch/error" || return 77
        [[ $try == 10 ]] || { say "  not yet (try $try of 10); new applications and roles take effect after some time"; sleep 15; }
    done
    return 1
}

# permitted runs a request to Microsoft Graph up to ten times. It returns 77 without
# another try after a refusal for lack of a role, because such a refusal of Graph is
# final.
permitted() {
    local try
    for try in 1 2 3 4 5 6 7 8 9 10; do
        "$@" 2>"$scratch/error" && return 0
        cat "$scratch/error" >&2
        if grep -qE 'Authorization_RequestDenied|Insufficient privileges|Forbidden' "$scratch/error"; then
            return 77
        fi
        [[ $try == 10 ]] || { say "  not yet (try $try of 10); new applications take a while to be known"; sleep 15; }
    done
    return 1
}

# left keeps the description of a step that this run could not do, for report_left.
left() { undone+=("$1"); }

parse() {
    ews='' vault='' group='' location='' model=rbac cert=HMA-Cert import='' mode=memory resource=''
    list='' kv_name=KV-App hma_name=HMA-App renew='' output='' dry='' expected='' only_name=''
    kv_given='' hma_given='' drop='' secret='' kv_id='' hma_id='' saved='' undone=()
    local option short=()
    while (($#)); do
        case $1 in
        --help) usage; exit 0 ;;
        --drop-role) drop=1 ;;
        --kv-app-id=* | --hma-app-id=*) given "${1%%=*}" "${1#*=}" ;;
        --kv-app-id | --hma-app-id) given "$1" "${2:-}"; (($# < 2)) || shift ;;
        --) ;;
        --*) say "setup.sh: unknown option $1"; usage >&2; exit 2 ;;
        *) short+=("$1") ;;
        esac
        shift
    done
    set -- "${short[@]}"
    while getopts e:v:g:l:p:c:i:k:r:m:K:A:t:xso:nh option; do
        # An empty value comes from a variable that is not set. A value that begins
        # with a hyphen is the next option. Both could turn a protection off.
        # check_list checks the entries of -m.
        case $option${OPTARG-} in
        [!xsnh?] | [!xsnhm?]-*) say "setup.sh: -$option needs a value, not \"${OPTARG-}\""; exit 2 ;;
        esac
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

readonly guid='^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'

given() {
    [[ $2 =~ $guid ]] || { say "setup.sh: $1 needs an application (client) id, a GUID"; exit 2; }
    if [[ $1 == --kv-app-id ]]; then kv_given=${2,,}; else hma_given=${2,,}; fi
}

# The entries that hmaproxy accepts in an allow-list. A test checks that hmaproxy
# and these patterns accept the same entries.
readonly atom="[A-Za-z0-9!#\$&'+/=?^_\`{|}~-]+"
readonly label='[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
readonly address="($atom)(\.$atom)*@$label(\.$label)*"
readonly decimal='(0|[1-9][0-9]*)'
readonly entry="^($address|\*@$label(\.$label)*|[Uu][Pp][Nn]:$address|[Ss][Ii][Dd]:[Ss]-1-$decimal(-$decimal){1,15}|[Gg][Uu][Ii][Dd]:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\$"

# misread reports whether an entry with an address was probably meant as an
# exception, a variable or an assignment. hmaproxy refuses such an entry too, even if
# the address is valid.
misread() {
    local value=$1
    [[ ${value,,} != upn:* ]] || value=${value#*:}
    [[ $value == *@* && $value != \*@* ]] || return 1
    value=${value%@*}
    # shellcheck disable=SC2016 # the braces are compared as text
    [[ $value == *=* || $value == *'${'* || $value == *'{{'* || $value =~ ^\$[A-Z_]+$ || ! $value =~ ^[A-Za-z0-9_\$] ]]
}

# check_list refuses an allow-list that hmaproxy would refuse, before anything
# is changed. "*" alone means every mailbox, on purpose.
check_list() {
    local item items
    [[ $list && $list != '*' ]] || return 0
    [[ $list != *[[:cntrl:]]* ]] || { say 'setup.sh: -m: the entries are separated by commas, on one line'; exit 2; }
    IFS=, read -ra items <<<"$list"
    for item in "${items[@]}"; do
        item=${item#"${item%%[![:blank:]]*}"} item=${item%"${item##*[![:blank:]]}"}
        if misread "$item"; then
            say "setup.sh: -m: $item looks like an exception, a variable or an assignment; expected the addresses that are allowed, and no others"
            exit 2
        fi
        if [[ $item =~ $entry ]] && fits "$item"; then continue; fi
        say "setup.sh: -m: $item is not a valid allow-list entry; valid: alice@contoso.com, *@contoso.com, upn:alice@contoso.com, sid:S-1-5-21-…, guid:01234567-…, separated by commas"
        exit 2
    done
}

# fits checks what the patterns do not check: lengths, the size of numbers in a
# SID, and that a GUID is not all zeros.
fits() {
    local value=$1 number numbers
    case ${value,,} in
    guid:*) [[ ${value#*:} == *[1-9a-fA-F]* ]] ;;
    sid:*)
        IFS=- read -ra numbers <<<"${value#*:}"
        ((${#numbers[2]} <= 15 && numbers[2] <= 0xffffffffffff)) || return 1
        for number in "${numbers[@]:3}"; do ((${#number} <= 10 && number <= 0xffffffff)) || return 1; done ;;
    *)
        [[ ${value,,} != upn:* ]] || value=${value#*:}
        value=${value/#\*@/x@}
        ((${#value} <= 254)) && value=${value%@*} && ((${#value} <= 64)) ;;
    esac
}

check() {
    local problem='' LC_ALL=C
    [[ $drop || $ews =~ ^https://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9./_-]*)?$ ]] || problem='-e must be an https URL'
    [[ $only_name || $vault =~ ^[A-Za-z][A-Za-z0-9-]{2,23}$ ]] || problem='-v must be the name of a vault: 3 to 24 letters, digits, hyphens'
    [[ $cert =~ ^[A-Za-z0-9-]{1,127}$ ]] || problem='-c must be letters, digits and hyphens'
    [[ $model == rbac || $model == policy ]] || problem='-p must be rbac or policy'
    [[ $mode == memory || $mode == vault ]] || problem='-k must be memory or vault'
    [[ -z $import || -r $import && -f $import ]] || problem='-i: the file cannot be read'
    [[ -z $expected || $expected =~ $guid ]] || problem='-t must be the id of a tenant, a GUID'
    [[ -z $only_name || -z $drop ]] || problem='-x and --drop-role exclude each other'
    [[ $kv_name$hma_name != *[\'\"]* ]] || problem='-K and -A must not hold quotes'
    [[ $kv_name != "$hma_name" ]] || problem='-K and -A must differ: whoever reads the vault should not open mail'
    [[ -z $kv_given || $kv_given != "$hma_given" ]] || problem='--kv-app-id and --hma-app-id must differ: whoever reads the vault should not open mail'
    if [[ -z $resource ]]; then
        resource=${ews#https://}
        resource=https://${resource%%[:/]*}
    fi
    [[ $problem || $drop || $resource =~ ^https://[A-Za-z0-9.-]+(:[0-9]+)?/?$ ]] || problem='-r must be https://host'
    [[ -z $problem ]] || { say "setup.sh: $problem"; exit 2; }
    check_list
    case $OSTYPE in
    msys* | cygwin*) die 'Git Bash and Cygwin change the ids that begin with a slash: use Azure Cloud Shell (deploy/azure/README.md) or WSL' ;;
    esac
    ((BASH_VERSINFO[0] * 10 + BASH_VERSINFO[1] >= 44)) || die 'bash 4.4 or later is needed (Azure Cloud Shell has it)'
    command -v az >/dev/null || die 'az is not installed: https://aka.ms/installazurecli'
    check_output
}

# check_output makes sure, before anything is changed, that the env file can be
# written. If the file exists, the ids of the applications are read from it.
# Therefore the file must belong to the caller: whoever can write it chooses the
# application that gets full_access_as_app.
check_output() {
    local id
    [[ $output ]] || return 0
    [[ ! -L $output ]] || die "-o: $output is a symbolic link: name the file itself"
    [[ ! -e $output.new ]] || die "$output.new is there from an earlier run: compare it with $output, then remove one of them"
    [[ -d $(dirname -- "$output") && -w $(dirname -- "$output") ]] || die "-o: the folder of $output does not exist or cannot be written to"
    [[ -e $output ]] || return 0
    [[ -f $output && -r $output && -w $output ]] || die "-o: $output cannot be read and written"
    [[ -O $output ]] || die "-o: $output belongs to another user, who could have written the ids of other applications into it: take it over with chown, or name another file"
    is_open -020 || is_open -002 && die "-o: other users may write to $output, and so choose the applications: chmod go-w it, and check the ids in it"
    id=$(id_of HMA_TENANT_ID)
    [[ -z $id || -z $expected || $id == "${expected,,}" ]] || die "-o: $output is of the tenant $id, not of $expected: name another file"
    expected=${expected:-$id}
    id=$(id_of HMA_KEY_VAULT_APP_ID) # on a line of its own: in another command, a failure would not end the run
    kv_given=${kv_given:-$id}
    id=$(id_of HMA_APP_ID)
    hma_given=${hma_given:-$id}
    [[ -z $kv_given || $kv_given != "$hma_given" ]] || die "-o: HMA_APP_ID and HMA_KEY_VAULT_APP_ID are the same in $output: whoever reads the vault should not open mail"
}

# id_of prints an id from the env file. It prints nothing for zeros, as in the
# example file.
id_of() {
    local id
    id=$(setting "$1")
    [[ $id == *[!0-]* ]] || return 0
    [[ $id =~ $guid ]] || die "-o: $1 in $output is not a GUID: correct it, or take the line out"
    printf '%s\n' "${id,,}"
}

# is_open reports whether the mode of the env file has the given bits.
is_open() { [[ $(find "$output" -prune -perm "$1") ]]; }

# setting prints the value of a setting in the existing env file.
setting() { sed -n "s/^[[:blank:]]*\(export[[:blank:]]\{1,\}\)\{0,1\}$1=//p" "$output" | tail -n 1 | tr -d '\r'; }

login() {
    tenant=$(az account show --query tenantId -o tsv) || die 'not logged in: az login'
    [[ -z $expected || ${expected,,} == "${tenant,,}" ]] || die "az is logged in to the tenant $tenant: az login --tenant $expected"
    authority=$(az cloud show --query endpoints.activeDirectory -o tsv)
    graph=$(az cloud show --query endpoints.microsoftGraphResourceId -o tsv)
    authority=${authority%/} graph=${graph%/}
    say "tenant $tenant"
}

# whoami sets me to the object id of the caller, or to nothing if Entra does not
# say.
whoami() { me=$(az ad signed-in-user show --query id -o tsv 2>/dev/null) || me=''; }

# --- the vault and the certificate ---

# find_vault sets vault_id, vault_uri and model to those of the vault. If there is no
# vault, it leaves vault_id empty, and the run ends if -g or -l is missing.
find_vault() {
    if ! vault_id=$(az keyvault show -n "$vault" --query id -o tsv 2>"$scratch/error"); then
        grep -qi 'not found' "$scratch/error" || { cat "$scratch/error" >&2; die "the vault $vault could not be read"; }
        [[ $group && $location ]] || die "the vault $vault was not found in this subscription, or you may not read it; to create it, add -g and -l"
        return
    fi
    vault_uri=$(az keyvault show -n "$vault" --query properties.vaultUri -o tsv)
    model=policy
    if [[ $(az keyvault show -n "$vault" --query properties.enableRbacAuthorization -o tsv) == [Tt]rue ]]; then
        model=rbac
    fi
    say "vault $vault: exists, permission model $model"
}

make_vault() {
    [[ -z $vault_id ]] || return 0
    say "vault $vault: to be created, permission model $model"
    local rbac=true
    [[ $model == rbac ]] || rbac=false
    [[ $model != rbac || $me ]] || die 'creating an RBAC vault needs a signed-in user'
    change az keyvault create -n "$vault" -g "$group" -l "$location" --enable-rbac-authorization "$rbac" -o none
    if [[ $dry ]]; then
        vault_id=VAULT-ID vault_uri=https://$vault.vault.azure.net
    else
        vault_id=$(az keyvault show -n "$vault" --query id -o tsv)
        vault_uri=$(az keyvault show -n "$vault" --query properties.vaultUri -o tsv)
    fi
    if [[ $model == rbac ]]; then # whoever creates such a vault may not yet write to it
        change az role assignment create --assignee-object-id "$me" --assignee-principal-type User \
            --role "$officer" --scope "$vault_id" -o none || die "the vault was created, but not your role on it. $(role_hint)"
        say "you now hold the role $officer on the vault; remove it at the end with setup.sh --drop-role -v $vault"
    fi
}

# role_hint says how the caller gets the role that creating a certificate needs.
role_hint() {
    printf '%s\n' "Whoever may assign roles runs this; some minutes later run setup.sh again:
    az role assignment create --assignee-object-id ${me:-YOUR-OBJECT-ID} --assignee-principal-type User --role '$officer' --scope $vault_id"
}

# drop_role removes the caller's role Key Vault Certificates Officer on the vault.
drop_role() {
    [[ $me ]] || die 'a signed-in user is needed'
    vault_id=$(az keyvault show -n "$vault" --query id -o tsv) || die "the vault $vault was not found in this subscription, or you may not read it"
    local assignment
    assignment=$(az role assignment list --assignee "$me" --role "$officer" --scope "$vault_id" --query '[].id' -o tsv) || die 'the roles on the vault could not be read'
    if [[ -z $assignment ]]; then
        say "you do not hold the role $officer on the vault $vault"
        return
    fi
    change az role assignment delete --ids "$assignment"
    [[ $dry ]] || say "the role $officer on the vault $vault was taken back"
}

thumbprint() { az keyvault certificate show --vault-name "$vault" -n "$cert" --query x509ThumbprintHex -o tsv; }

# find_certificate sets print to the thumbprint of the certificate, or to nothing
# if there is none. Any other failure ends the run. Otherwise a certificate that
# could not be read would be replaced by a new version.
find_certificate() {
    local status=0
    print=''
    [[ $vault_id ]] || return 0
    print=$(thumbprint 2>"$scratch/error") || status=$?
    [[ $status != 0 || -z $print ]] || say "certificate $cert: exists, thumbprint $print"
    [[ $status != 0 && $status != 3 ]] || return 0
    cat "$scratch/error" >&2
    [[ $model != rbac ]] || grep -qi firewall "$scratch/error" || ! grep -q Forbidden "$scratch/error" || die "you may not read the certificates of the vault $vault. $(role_hint)"
    die "the certificate $cert in the vault $vault could not be read"
}

make_certificate() {
    local failed=0
    if [[ $print ]]; then
        [[ -z $import ]] || say "  so $import is not imported; for a new version: az keyvault certificate import --vault-name $vault -n $cert --file $import"
        return
    fi
    if [[ $import ]]; then
        say "certificate $cert: to be imported"
        local password=()
        if [[ ${CERT_PASSWORD:-} ]]; then # not on the command line, which every local user can read
            printf '%s' "$CERT_PASSWORD" >"$scratch/password"
            password=(--password "@$scratch/password")
        fi
        local kept=()
        if [[ $mode == vault ]]; then
            import_policy >"$scratch/policy.json"
            kept=(--policy "@$scratch/policy.json")
        fi
        change retry az keyvault certificate import --vault-name "$vault" -n "$cert" --file "$import" "${password[@]}" "${kept[@]}" -o none || failed=1
    else
        say "certificate $cert: to be created (RSA 2048, self-signed, one year)"
        policy >"$scratch/policy.json"
        change retry az keyvault certificate create --vault-name "$vault" -n "$cert" --policy "@$scratch/policy.json" -o none || failed=1
    fi
    if ((failed)); then
        ! grep -q Forbidden "$scratch/error" || die "the certificate $cert could not be made. $(role_hint)"
        die "the certificate $cert could not be made: see the error above"
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

# import_policy prints the policy that makes an imported key non-exportable.
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

# find_application sets app and principal to an application and its service
# principal, or to nothing if there is none. It takes the application with the
# given id, or else the application with the given name. Every member of a tenant may
# register applications, so a name alone proves nothing, and foreign checks the
# owners and credentials of an application that was found by its name.
find_application() {
    local name=$1 id=$2 flag=$3
    app='' principal=''
    if [[ $id ]]; then
        app=$(az ad app show --id "$id" --query appId -o tsv) || die "$flag: there is no application with the id $id in this tenant, or you may not see it"
        say "application $id: exists"
    else
        app=$(az ad app list --filter "displayName eq '$name'" --query '[].appId' -o tsv) || die "the applications that are called $name could not be read"
        [[ $(wc -w <<<"$app") -le 1 ]] || die "several applications are called $name: say which with $flag, or choose another name with -K or -A"
        [[ -z $app ]] || say "application $name: exists, $app"
    fi
    [[ $app ]] || return 0
    find_principal
    [[ $id ]] || foreign "$name" "$flag"
}

# find_principal sets principal to the service principal of app, if there is one.
find_principal() {
    local status=0
    principal=$(az ad sp show --id "$app" --query id -o tsv 2>"$scratch/error") || status=$?
    [[ $status != 3 ]] || principal='' status=0
    ((status == 0)) || { cat "$scratch/error" >&2; die "the service principal of the application $app could not be read"; }
}

# make_application creates what find_application did not find.
make_application() {
    local name=$1
    if [[ -z $app ]]; then
        say "application $name: to be created"
        app=$(change az ad app create --display-name "$name" --sign-in-audience AzureADMyOrg --query appId -o tsv) ||
            die "the application $name could not be created: see the error above. Where members may not register applications, it needs the role Application Developer"
        [[ ! $dry ]] || app=$name-ID
    fi
    if [[ -z $principal ]]; then
        principal=$(change retry az ad sp create --id "$app" --query id -o tsv) || die "the service principal of $name could not be created: see the error above"
        [[ ! $dry ]] || principal=$name-PRINCIPAL
    fi
}

# foreign ends the run when an application that was found by its name has an
# owner other than the caller, or a credential other than the certificate in the
# vault. A list that cannot be read ends it too.
foreign() {
    local name=$1 flag=$2 kind owners secrets keys federated value why=''
    local unread="an application that is called $name exists ($app), but its owners or credentials could not be read: see the error above. If it is yours, say so with $flag $app"
    for kind in app sp; do
        [[ $kind == app || $principal ]] || continue
        owners=$(az ad "$kind" owner list --id "$app" --query '[].id' -o tsv) || die "$unread"
        secrets=$(az ad "$kind" credential list --id "$app" --query '[].keyId' -o tsv) || die "$unread"
        keys=$(az ad "$kind" credential list --id "$app" --cert --query '[].customKeyIdentifier' -o tsv) || die "$unread"
        for value in $owners; do
            [[ $value == "$me" ]] || why="it has the owner $value, who could use it"
        done
        [[ -z $secrets ]] || why='it has a client secret, and whoever made it could use it'
        for value in $keys; do
            is_print "$value" || why="it has a certificate that is not the one in the vault, $value"
        done
    done
    federated=$(az ad app federated-credential list --id "$app" --query '[].name' -o tsv) || die "$unread"
    [[ -z $federated ]] || why='it has a federated credential, and whoever made it could use it'
    [[ -z $why ]] || die "an application that is called $name exists ($app), but $why. If it is yours, say so with $flag $app (or -o with the env file of the first run); if not, choose another name with -K or -A"
}

# is_print reports whether a key identifier is the certificate in the vault.
# Depending on the version of az, Entra shows it in hexadecimal or in base64.
is_print() {
    local bytes='' i
    [[ $print && $print != THUMBPRINT ]] || return 1
    for ((i = 0; i < ${#print}; i += 2)); do bytes+="\\x${print:i:2}"; done
    [[ ${1^^} == "${print^^}" || $1 == "$(printf '%b' "$bytes" | base64)" ]]
}

# find_applications looks for both applications before anything is changed.
find_applications() {
    find_application "$kv_name" "$kv_given" --kv-app-id
    kv_id=$app kv_principal=$principal
    find_application "$hma_name" "$hma_given" --hma-app-id
    hma_id=$app hma_principal=$principal
    [[ -z $hma_id || $hma_id != "$kv_id" ]] || die "one application for both: whoever reads the vault should not open mail"
}

kv_app() {
    app=$kv_id principal=$kv_principal
    make_application "$kv_name"
    kv_id=$app
    permit "$principal"
    local now existing=''
    now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    if [[ $kv_id != *-ID ]]; then
        existing=$(az ad app credential list --id "$kv_id" --query "[?displayName=='hmaproxy' && endDateTime>'$now'].keyId" -o tsv)
    fi
    if [[ $existing && ! $renew ]]; then
        say "client secret of $kv_name: exists and cannot be shown again; -s makes a new one"
        return
    fi
    say "client secret of $kv_name: to be created, for one year"
    secret=$(change retry az ad app credential reset --id "$kv_id" --append --display-name hmaproxy --years 1 --query password -o tsv --only-show-errors) ||
        die "the client secret of $kv_name could not be made: see the error above"
    if [[ $dry ]]; then
        secret='***'
    else
        [[ $secret ]] || die "the client secret of $kv_name could not be made: see the error above"
        write_env_file # immediately: the secret cannot be shown again
    fi
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
        local assign=(az role assignment create --assignee-object-id "$1" --assignee-principal-type ServicePrincipal
            --role "$role" --scope "$vault_id" -o none)
        change retry "${assign[@]}" || left "the role $role on the vault for $kv_name. You may not assign it. An Owner or User Access Administrator of the vault runs:
    $(printf '%q ' "${assign[@]}")"
    done
}

hma_app() {
    app=$hma_id principal=$hma_principal
    make_application "$hma_name"
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

# register_certificate uploads the public certificate, unless it is registered.
register_certificate() {
    local registered='' key
    if [[ $hma_id != *-ID ]]; then
        registered=$(az ad app credential list --id "$hma_id" --cert --query '[].customKeyIdentifier' -o tsv)
    fi
    for key in $registered; do
        if is_print "$key"; then
            say "certificate on $hma_name: is registered"
            return
        fi
    done
    say "certificate on $hma_name: to be registered"
    change az keyvault certificate download --vault-name "$vault" -n "$cert" -f "$scratch/cert.pem" -e PEM
    change retry az ad app credential reset --id "$hma_id" --cert "@$scratch/cert.pem" --append -o none --only-show-errors
}

# consent grants full_access_as_app. For an application permission, admin consent
# is an assignment of the role and nothing else. A caller who may not grant it
# gets the URL for an administrator, and the other steps continue.
consent() {
    local granted='' resource_id status=0
    if [[ $1 != *-PRINCIPAL ]]; then
        granted=$(az rest --method GET --uri "$graph/v1.0/servicePrincipals/$1/appRoleAssignments" --query "value[?appRoleId=='$full_access'].id" -o tsv) || granted=''
    fi
    if [[ $granted ]]; then
        say "admin consent: is granted"
        return
    fi
    say "admin consent: to be granted"
    resource_id=$(az ad sp show --id "$exchange" --query id -o tsv) || { left "admin consent: the tenant has no service principal of Office 365 Exchange Online ($exchange)"; return; }
    local grant=(az rest --method POST --uri "$graph/v1.0/servicePrincipals/$1/appRoleAssignments" --headers Content-Type=application/json
        --body "{\"principalId\":\"$1\",\"resourceId\":\"$resource_id\",\"appRoleId\":\"$full_access\"}" -o none)
    if [[ $dry ]]; then
        change "${grant[@]}"
        return
    fi
    permitted "${grant[@]}" || status=$?
    case $status in
    0) ;;
    77) left "admin consent. You may not grant it. Give this URL to a Cloud Application Administrator or Global Administrator:
    $authority/$tenant/adminconsent?client_id=$hma_id" ;;
    *) left 'admin consent: see the error above' ;;
    esac
}

# register_exchange adds the EWS host to Exchange's names. All names are sent,
# since the list is replaced as a whole.
register_exchange() {
    local names id by_hand="register $resource as docs/setup.md says"
    names=$(az ad sp show --id "$exchange" --query servicePrincipalNames -o tsv) || { left "the service principal name of Exchange: the service principal of Office 365 Exchange Online ($exchange) could not be read; $by_hand"; return; }
    # The list is replaced as a whole. If it was read incompletely, writing it
    # back would remove Exchange's own names.
    grep -qixF -e "$exchange" <<<"$names" || { left "the service principal name of Exchange: the names were read without Exchange's own id ($exchange), so nothing was written; $by_hand"; return; }
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
    local patch=(az rest --method PATCH --uri "$graph/v1.0/servicePrincipals/$id" --headers Content-Type=application/json --body "@$scratch/names.json" -o none)
    if [[ $dry ]]; then
        change "${patch[@]}"
        return
    fi
    permitted "${patch[@]}" || left "the service principal name $resource of Exchange. Somebody with the role Cloud Application Administrator or Hybrid Identity Administrator runs:
    setup.sh -x -t $tenant -e $ews -r $resource"
}

# --- the env file ---

# wanted prints the settings that this run knows, one NAME=value a line.
wanted() {
    echo "HMA_EWS_URL=$ews"
    echo "HMA_RESOURCE_ID=$resource"
    echo "HMA_TENANT_ID=$tenant"
    [[ -z $hma_id ]] || echo "HMA_APP_ID=$hma_id"
    echo "HMA_KEY_VAULT_URI=${vault_uri%/}"
    echo "HMA_KEY_VAULT_CERT_NAME=$cert"
    echo "HMA_KEY_VAULT_APP_ID=$kv_id"
    [[ -z $secret ]] || echo "HMA_KEY_VAULT_CLIENT_SECRET=$secret"
    [[ $mode == memory ]] || echo "HMA_KEY_MODE=vault"
    [[ $authority == https://login.microsoftonline.com ]] || echo "HMA_AUTHORITY_HOST=$authority"
    [[ -z $list ]] || echo "HMA_ALLOWED_MAILBOXES=$list"
}

env_file() {
    echo '# Settings of hmaproxy, for -env-file. Do not share this file: it holds a secret.'
    wanted
    [[ $hma_id ]] || echo "${notes[0]}"
    [[ $secret ]] || printf '%s\n' "${notes[@]:1:2}"
    [[ $list ]] || printf '%s\n' "${notes[@]:3:2}"
}

# Comments that the env file has in place of settings that are not known. Each comment
# is removed when its setting is added.
readonly notes=(
    '# HMA_APP_ID is missing: setup.sh stopped before its end. Run it again.'
    '# The secret was made earlier; write its value here, or run setup.sh -s for a new one.'
    '#HMA_KEY_VAULT_CLIENT_SECRET='
    '# Without an allow-list clients can open every mailbox of the organisation.'
    '#HMA_ALLOWED_MAILBOXES=alice@contoso.com'
)

# without_notes prints the env file without the comments that a setting of this run replaces.
without_notes() {
    local gone=() text
    [[ -z $hma_id ]] || gone+=(-e "${notes[0]}")
    [[ -z $secret ]] || gone+=(-e "${notes[1]}" -e "${notes[2]}")
    [[ -z $list ]] || gone+=(-e "${notes[3]}" -e "${notes[4]}")
    text=$(cat -- "$output")
    if ((${#gone[@]})); then grep -vxF "${gone[@]}" <<<"$text" || true; else printf '%s\n' "$text"; fi
}

# write_env_file writes the settings known so far. An existing file keeps its
# settings, and missing settings are added. An administrator must compare the files
# if a value would change, if the existing file names a file for the secret, or if the
# secret would get into a file that every user may read. In these cases the existing
# file does not change, and all settings go to FILE.new.
write_env_file() {
    local line name lacks='' differs='' copy
    [[ $output ]] || return 0
    if [[ ! -e $output && ! -L $output ]]; then
        (umask 077 && set -C && env_file >"$output") || return
        saved=1
        return
    fi
    while IFS= read -r line; do
        name=${line%%=*}
        if [[ -z $(setting "$name") ]] && ! grep -qE "^[[:blank:]]*(export[[:blank:]]+)?$name=" "$output"; then
            [[ $name != HMA_ALLOWED_MAILBOXES || -z $(setting HMA_ALLOWED_MAILBOXES_FILE) ]] || continue
            [[ $name != HMA_KEY_VAULT_CLIENT_SECRET || -z $(setting HMA_KEY_VAULT_CLIENT_SECRET_FILE) ]] || differs=1
            lacks+=$line$'\n'
        elif [[ $(setting "$name") != "${line#*=}" ]]; then
            differs=1
        fi
    done < <(wanted)
    [[ $lacks || $differs ]] || { saved=1; return 0; }
    if [[ $lacks == *HMA_KEY_VAULT_CLIENT_SECRET=* ]] && is_open -004; then differs=1; fi
    # A new file in the same folder, which replaces the old one in one step.
    copy=$(mktemp -- "$output.XXXXXX") || return
    if [[ $differs ]]; then
        replaced >"$copy" && mv -- "$copy" "$output.new" || return
        say "$output has other values, or every user may read it, and stays as it is; the settings of this run are in $output.new. Compare the two, then keep one."
    else
        cp -p -- "$output" "$copy" # so that the new file has the mode and the owner of the old file
        { without_notes && printf '%s' "$lacks"; } >"$copy" && mv -- "$copy" "$output" || return
    fi
    saved=1
}

# replaced prints the env file with the settings of this run in place of its own.
replaced() {
    local names
    names=$(wanted | cut -d= -f1 | paste -sd'|' -)
    [[ -z $secret ]] || names+='|HMA_KEY_VAULT_CLIENT_SECRET_FILE'
    [[ -z $list ]] || names+='|HMA_ALLOWED_MAILBOXES_FILE'
    without_notes | grep -vE "^[[:blank:]]*(export[[:blank:]]+)?($names)=" || true
    wanted
}

# finish runs at the end, also after a failure, so that a new secret that was not
# written yet is not lost.
finish() {
    local status=$?
    if [[ $secret && ! $saved && ! $dry ]]; then
        say 'setup.sh: stopped before the end. The settings known so far:'
        env_file
    fi
    rm -rf "$scratch"
    exit "$status"
}

main() {
    parse "$@"
    check
    scratch=$(mktemp -d)
    trap finish EXIT
    login
    if [[ $only_name ]]; then
        register_exchange
        report_left
        return
    fi
    whoami
    if [[ $drop ]]; then
        drop_role
        return
    fi
    # Look at everything that can end the run before the first change.
    find_vault
    find_certificate
    find_applications
    make_vault
    make_certificate
    kv_app
    hma_app
    register_exchange
    if [[ $dry ]]; then
        say 'dry run: nothing was changed. The env file would be:'
    fi
    if [[ $output && ! $dry ]]; then
        write_env_file
        say "env file: $output. Next: hmaproxy doctor -env-file $output -mailbox YOURS"
    else
        saved=1
        env_file
    fi
    report_left
}

# report_left names the steps that another administrator has to do.
report_left() {
    local step
    ((${#undone[@]})) || return 0
    say 'setup.sh: everything is done except these steps:'
    for step in "${undone[@]}"; do say "  - $step"; done
    say 'Run setup.sh again afterwards; it continues with the missing steps.'
    exit 1
}

main "$@"
