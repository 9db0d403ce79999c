#!/usr/bin/env bash
# Checks deploy/azure/terraform without a cloud: its format, its validity by the
# schemas of the real providers, and its tests. The tests mock the providers and
# use the double of az in deploy/azure.
#
# Needs Terraform 1.11 or later, and the providers azuread 3, azurerm 5 and time,
# either from registry.terraform.io or, if that is out of reach, built from
# their Go modules into the directory that TERRAFORM_PROVIDERS names:
#
#   git clone https://github.com/hashicorp/terraform-provider-azuread   # then -azurerm, -time
#   cd terraform-provider-azuread && go build -o "$TERRAFORM_PROVIDERS" .
#
# Exit status 3: Terraform or a provider is missing, and nothing was checked.
set -euo pipefail
cd "$(dirname "$0")/../deploy/azure"

missing() { echo "check-terraform.sh: NOT CHECKED: $*" >&2; exit 3; }
command -v terraform >/dev/null || missing "Terraform is not installed: https://developer.hashicorp.com/terraform/install"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export TF_IN_AUTOMATION=1 TF_DATA_DIR=$scratch/data CHECKPOINT_DISABLE=1

terraform -chdir=terraform fmt -check -diff -recursive
cp -r setup.sh terraform "$scratch" # init writes a lock file into the folder of the configuration
cd "$scratch/terraform"

if [[ ${TERRAFORM_PROVIDERS:-} ]]; then
    for name in azuread azurerm time; do
        [[ -x $TERRAFORM_PROVIDERS/terraform-provider-$name ]] || missing "$TERRAFORM_PROVIDERS/terraform-provider-$name is not there"
        overrides+="\"hashicorp/$name\" = \"$TERRAFORM_PROVIDERS\"
"
    done
    printf 'provider_installation {\ndev_overrides {\n%s}\n}\n' "$overrides" >"$scratch/terraformrc"
    export TF_CLI_CONFIG_FILE=$scratch/terraformrc
else
    terraform init -backend=false -input=false -no-color >"$scratch/init" 2>&1 || { cat "$scratch/init" >&2; missing 'the providers could not be had; see TERRAFORM_PROVIDERS in this script'; }
fi

terraform validate -no-color

mkdir "$scratch/bin" "$scratch/tenant"
ln -s "$OLDPWD/testdata/az" "$scratch/bin/az"
printf '%s\n' 00000002-0000-0ff1-ce00-000000000000 https://outlook.office365.com/ >"$scratch/tenant/names"
export AZ_STATE=$scratch/tenant PATH=$scratch/bin:$PATH
terraform test -no-color
grep -qF '["00000002-0000-0ff1-ce00-000000000000","https://outlook.office365.com/","https://mail.contoso.com"]' "$scratch/tenant/names.json" ||
    { echo "check-terraform.sh: the name was not added to the others" >&2; exit 1; }
[[ $(wc -l <"$scratch/tenant/changes") -eq 1 ]] || { echo "check-terraform.sh: apply or destroy changed more than the name" >&2; exit 1; }
