# Runs Debian 12's az (2.45), which does not fit the Azure libraries of the
# same release: it uses the attribute config of operations, which is _config
# now, and needs azure-keyvault 1, which is not packaged. This script adds both
# to the installed libraries. Everything else (arguments, files, output,
# queries, exit codes) is az, unchanged.
import importlib
import runpy
import sys
import types

for version in ("v2018_01_01_preview", "v2020_04_01_preview", "v2022_04_01"):
    try:
        operations = importlib.import_module("azure.mgmt.authorization.%s.operations" % version)
    except ImportError:
        continue
    for name in dir(operations):
        if name.endswith("Operations"):
            setattr(getattr(operations, name), "config", property(lambda self: self._config))

import azure.keyvault  # noqa: E402
from azure.core.exceptions import HttpResponseError  # noqa: E402
from azure.core.pipeline.policies import SansIOHTTPPolicy  # noqa: E402
from azure.keyvault.certificates._generated.v7_0 import KeyVaultClient as Generated, models  # noqa: E402


class Token(SansIOHTTPPolicy):
    def __init__(self, get_token):
        self.get_token = get_token

    def on_request(self, request):
        kind, token = self.get_token("", "https://vault.azure.net", "")[:2]
        request.http_request.headers["Authorization"] = kind + " " + token


class KeyVaultClient(Generated):
    """Has the calls that az makes in the form that azure-keyvault 1 gave them."""

    def __init__(self, credentials, api_version):
        super().__init__(authentication_policy=Token(credentials))

    def create_certificate(self, vault_base_url, certificate_name, policy, attributes, tags):
        body = models.CertificateCreateParameters(certificate_policy=policy, certificate_attributes=attributes, tags=tags)
        return super().create_certificate(vault_base_url, certificate_name, body)

    def import_certificate(self, vault_base_url, certificate_name, **facts):
        return super().import_certificate(vault_base_url, certificate_name, models.CertificateImportParameters(**facts))

    def get_certificate(self, vault_base_url, certificate_name, certificate_version, **kwargs):
        return super().get_certificate(vault_base_url, certificate_name, certificate_version)

    get_certificate.metadata = Generated.get_certificate.metadata
    create_certificate.metadata = Generated.create_certificate.metadata
    import_certificate.metadata = Generated.import_certificate.metadata


def module(name, **names):
    m = sys.modules["azure.keyvault." + name] = types.ModuleType("azure.keyvault." + name)
    m.__dict__.update(names)
    return m


client = module("key_vault_client", KeyVaultClient=KeyVaultClient)
module("v7_0", KeyVaultClient=KeyVaultClient, key_vault_client=client, models=models)
module("v7_0.key_vault_client", KeyVaultClient=KeyVaultClient)
sys.modules["azure.keyvault.v7_0.models"] = sys.modules["azure.keyvault.models"] = models
# az contains a later azure-keyvault, which needs parts of the earlier one.
path = "/usr/lib/python3/dist-packages/azure/cli/command_modules/keyvault/vendored_sdks/azure_keyvault_t1"
azure.keyvault.__path__.append(path)
azure.keyvault.KeyVaultClient = KeyVaultClient
azure.keyvault.KeyVaultAuthentication = lambda get_token: get_token
azure.keyvault.models = models
models.KeyVaultErrorException = HttpResponseError

runpy.run_module("azure.cli")
