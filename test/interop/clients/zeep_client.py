"""Drives zeep by the service description that comes through the product.
The task is the first argument; a failure is a traceback."""
import os
import sys

import requests
import zeep
from zeep.transports import Transport

URL = os.environ["EWS_URL"]
MAILBOX = os.environ["MAILBOX"]
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
T = "{http://schemas.microsoft.com/exchange/services/2006/types}"


class Offline(Transport):
    """Exchange's own types.xsd imports xml.xsd from the web, for xml:lang."""

    def load(self, url):
        if url.endswith("//www.w3.org/2001/xml.xsd"):
            return (b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.w3.org/XML/1998/namespace">'
                    b'<xs:attribute name="lang" type="xs:language"/></xs:schema>')
        return super().load(url)


class Service:
    def __init__(self, credentials=None, mailbox=MAILBOX, wsdl="Services.wsdl"):
        session = requests.Session()
        session.auth = credentials
        self.client = zeep.Client(os.path.dirname(URL) + "/" + wsdl, transport=Offline(session=session, cache=None))
        self.proxy = self.client.create_service(M + "ExchangeServiceBinding", URL)
        self.headers = {"RequestVersion": {"Version": "Exchange2013_SP1"}}
        if mailbox:
            self.headers["Impersonation"] = {"ConnectingSID": {"SmtpAddress": mailbox}}

    def call(self, operation, **arguments):
        response = getattr(self.proxy, operation)(_soapheaders=self.headers, **arguments)
        response = getattr(response, "body", response)
        messages = getattr(response, operation + "Result", response)
        messages = getattr(messages, "ResponseMessages", None) or messages
        messages = getattr(messages, "ResponseMessages", None) or messages
        message = zeep.helpers.serialize_object(messages, dict)
        message = message["_value_1"][0][operation + "ResponseMessage"]
        assert message["ResponseCode"] == "NoError", message
        return message


SHAPE = {"BaseShape": "Default"}
INBOX = {"DistinguishedFolderId": {"Id": "inbox"}}


def many(name, value):
    return {"_value_1": [{name: value}]}


def work(service):
    folder = service.call("GetFolder", FolderShape=SHAPE, FolderIds=many("DistinguishedFolderId", {"Id": "inbox"}))
    assert "Inbox" in str(folder), folder
    created = service.call(
        "CreateItem", MessageDisposition="SaveOnly", SavedItemFolderId=INBOX,
        Items=many("Message", {"Subject": "by zeep", "Body": {"BodyType": "Text", "_value_1": "text"}}))
    item = created["Items"]["_value_1"][0]["Message"]["ItemId"]
    got = service.call("GetItem", ItemShape=SHAPE, ItemIds=many("ItemId", {"Id": item["Id"]}))
    assert got["Items"]["_value_1"][0]["Message"]["Subject"] == "by zeep", got
    service.call("DeleteItem", DeleteType="HardDelete", ItemIds=many("ItemId", {"Id": item["Id"]}))
    names = service.call("ResolveNames", UnresolvedEntry="alice", ReturnFullContactData=False)
    assert MAILBOX in str(names), names


def services_wsdl():
    work(Service())


def exchange_asmx_wsdl():
    work(Service(wsdl="Exchange.asmx?wsdl"))


def basic_credentials():
    work(Service(credentials=(os.environ["USERNAME"], os.environ["PASSWORD"])))


def no_mailbox_named():
    work(Service(mailbox=None))


def mailbox_not_listed():
    try:
        work(Service(mailbox="bob@contoso.com"))
    except zeep.exceptions.Fault as fault:
        assert fault.code == "a:ErrorImpersonateUserDenied", fault.code
        assert fault.message == "The account does not have permission to impersonate the requested user.", fault.message
        return
    raise AssertionError("no fault")


if __name__ == "__main__":
    globals()[sys.argv[1].lower().replace(" ", "_").replace(".", "_").replace("?", "_")]()
