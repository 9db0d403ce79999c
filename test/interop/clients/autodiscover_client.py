"""Drives exchangelib with an address and no URL. The task is the first argument: the
form of Autodiscover and what is expected. A failure is a traceback, whose last line
says what is wrong."""
import os
import sys
import tempfile

tempfile.tempdir = os.environ["WORK_DIR"]  # exchangelib keeps its cache of found endpoints there

from exchangelib import IMPERSONATION, UTC, Account, Configuration, Credentials
from exchangelib.errors import ErrorNonExistentMailbox
from exchangelib.transport import NOAUTH

BOB = "bob@contoso.com"


def account(form, mailbox, credentials=None, config=None):
    return Account(primary_smtp_address=mailbox, credentials=credentials, config=config, autodiscover=form,
                   access_type=IMPERSONATION, default_timezone=UTC)


def main():
    form, _, task = sys.argv[1].partition(" ")
    if task == "refused":
        try:
            account(form, BOB, config=Configuration(auth_type=NOAUTH))
        except ErrorNonExistentMailbox:
            return
        raise AssertionError("bob was found")
    credentials = Credentials(os.environ["USERNAME"], os.environ["PASSWORD"]) if task == "users" else None
    a = account(form, os.environ["MAILBOX"], credentials)
    assert a.protocol.service_endpoint == "https://autodiscover.contoso.com/EWS/Exchange.asmx", a.protocol.service_endpoint
    assert a.inbox.name == "Inbox", a.inbox
    # a second time, from the cache file
    b = account(form, os.environ["MAILBOX"], credentials)
    assert b.inbox.total_count == a.inbox.total_count


main()
