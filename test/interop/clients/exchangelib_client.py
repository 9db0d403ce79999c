"""Drives exchangelib. The task is the first argument; a failure is a
traceback, whose last line says what is wrong."""
import datetime
import os
import sys
import threading
import time
import urllib.request
import urllib.parse

from exchangelib import (BASIC, DELEGATE, IMPERSONATION, NTLM, UTC, Account, Build, CalendarItem, Configuration,
                         Credentials, EWSDateTime, FaultTolerance, FileAttachment, Mailbox, Message, Version)
from exchangelib.errors import ErrorImpersonateUserDenied, UnauthorizedError
from exchangelib.folders import Messages
from exchangelib.transport import NOAUTH

URL = os.environ["EWS_URL"]
MAILBOX = os.environ["MAILBOX"]
VERSION = Version(build=Build(15, 2, 1544, 9))


def control(path, **query):
    with urllib.request.urlopen(os.environ["CONTROL_URL"] + "/" + path + "?" + urllib.parse.urlencode(query)) as r:
        return r.read().decode()


def account(mailbox=MAILBOX, access_type=IMPERSONATION, **settings):
    settings = {"auth_type": NOAUTH, "version": VERSION, **settings}
    config = Configuration(service_endpoint=URL, **settings)
    return Account(primary_smtp_address=mailbox, config=config, autodiscover=False, access_type=access_type,
                   default_timezone=UTC)


def save(a, subject, **fields):
    m = Message(account=a, folder=a.inbox, subject=subject, body="text of " + subject,
                to_recipients=[Mailbox(email_address=MAILBOX)], **fields)
    m.save()
    return m


def folders():
    a = account()
    names = {f.name for f in a.root.walk()}
    for want in ("Inbox", "Sent Items", "Calendar", "Contacts", "Tasks"):
        assert want in names, names
    new = Messages(parent=a.inbox, name="Projects & more")
    new.save()
    assert (a.inbox / "Projects & more").id == new.id
    new.name = "Archive"
    new.save(update_fields=["name"])
    a.root.clear_cache()
    assert [f.name for f in a.inbox.children] == ["Archive"]
    new.delete()
    a.root.clear_cache()
    assert not list(a.inbox.children)


def items():
    a = account()
    first, second = save(a, "first <&> Grüße"), save(a, "second", importance="High")
    assert a.inbox.all().count() == 2
    found = a.inbox.get(subject="first <&> Grüße")
    assert found.id == first.id and found.text_body == "text of first <&> Grüße", found
    assert a.inbox.get(subject="second").importance == "High"
    assert [m.subject for m in a.inbox.all().order_by("-subject").only("subject")] == ["second", "first <&> Grüße"]
    found.subject, found.is_read = "changed", True
    found.save(update_fields=["subject", "is_read"])
    again = a.inbox.get(subject="changed")
    assert again.is_read and again.changekey != first.changekey, (again.is_read, again.changekey, first.changekey)
    moved_to = a.drafts
    again.move(moved_to)
    assert a.inbox.all().count() == 1 and moved_to.get(subject="changed")
    second = a.inbox.get(subject="second")
    second.copy(a.drafts)
    assert a.drafts.all().count() == 2 and a.inbox.all().count() == 1
    second.move_to_trash()
    assert a.trash.get(subject="second")
    for m in a.drafts.all():
        m.delete()
    assert a.drafts.all().count() == 0
    start = EWSDateTime(2026, 11, 24, 9, 0, tzinfo=UTC)
    meeting = CalendarItem(account=a, folder=a.calendar, subject="meeting", start=start,
                           end=start + datetime.timedelta(hours=1), location="Room 1")
    meeting.save()
    seen = list(a.calendar.view(start=start - datetime.timedelta(days=1), end=start + datetime.timedelta(days=1)))
    assert [m.subject for m in seen] == ["meeting"] and seen[0].start == start and seen[0].location == "Room 1", seen
    assert not list(a.calendar.view(start=start + datetime.timedelta(days=1), end=start + datetime.timedelta(days=2)))


def send():
    a = account()
    Message(account=a, subject="sent at once", body="x", to_recipients=[Mailbox(email_address=MAILBOX)]).send_and_save()
    assert a.sent.get(subject="sent at once") and a.inbox.get(subject="sent at once")
    draft = Message(account=a, folder=a.drafts, subject="sent later", body="x",
                    to_recipients=[Mailbox(email_address=MAILBOX)])
    draft.save()
    draft.send()
    assert a.sent.get(subject="sent later") and a.inbox.get(subject="sent later")
    assert a.drafts.all().count() == 0


def large_attachment():
    a = account()
    content = os.urandom(5 << 20)
    m = save(a, "large")
    m.attach(FileAttachment(name="random.bin", content=content))
    got = a.inbox.get(subject="large")
    assert got.has_attachments and [x.name for x in got.attachments] == ["random.bin"]
    assert got.attachments[0].content == content
    with got.attachments[0].fp as fp:
        assert fp.read(100) == content[:100]
    got.attachments[0].detach()
    assert not a.inbox.get(subject="large").attachments


def sync():
    a = account()
    state = None
    changes = list(a.root.sync_hierarchy())
    assert {"Inbox", "Calendar"} <= {f.name for _, f in changes}, changes
    assert a.root.folder_sync_state
    assert not list(a.root.sync_hierarchy(sync_state=a.root.folder_sync_state))
    m = save(a, "synchronised")
    changes = list(a.inbox.sync_items())
    assert [(c, i.subject) for c, i in changes] == [("create", "synchronised")], changes
    state = a.inbox.item_sync_state
    m.is_read = True
    m.save(update_fields=["is_read"])
    changes = list(a.inbox.sync_items(sync_state=state))
    assert [c for c, _ in changes] in (["read_flag_change"], ["update"]), changes
    state = a.inbox.item_sync_state
    m.delete()
    changes = list(a.inbox.sync_items(sync_state=state))
    assert [c for c, _ in changes] == ["delete"], changes


def pull_notifications():
    a = account()
    with a.inbox.pull_subscription() as (subscription, watermark):
        control("deliver", to=MAILBOX, subject="pulled")
        events = [e for n in a.inbox.get_events(subscription, watermark) for e in n.events]
        assert any(type(e).__name__ == "NewMailEvent" for e in events), events


def streaming_notifications():
    a = account()
    with a.inbox.streaming_subscription() as subscription:
        threading.Timer(1, control, ("deliver",), {"to": MAILBOX, "subject": "streamed"}).start()
        began = time.monotonic()
        for n in a.inbox.get_streaming_events(subscription, connection_timeout=2, max_notifications_returned=1):
            assert any(type(e).__name__ == "NewMailEvent" for e in n.events), n
            assert time.monotonic() - began < 100, "the notification was held back"
            return
        raise AssertionError("no notification")


def sixteen_threads(revoke=False):
    a = account(max_connections=16)
    errors = []

    def work(n):
        try:
            for i in range(4):
                save(a, f"thread {n} message {i}")
                a.inbox.get(subject=f"thread {n} message {i}")
        except Exception as e:  # reported below
            errors.append(e)

    a.inbox.refresh()  # folders are loaded once, before
    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for t in threads:
        t.start()
    if revoke:
        control("revoke")
    for t in threads:
        t.join()
    assert not errors, errors
    assert a.inbox.all().count() == 64


def freebusy_and_names():
    a = account()
    zones = list(a.protocol.get_timezones(return_full_timezone_data=True))
    assert "UTC" in [z.id for z in zones], zones
    start = EWSDateTime(2026, 11, 24, 0, 0, tzinfo=UTC)
    meeting = CalendarItem(account=a, folder=a.calendar, subject="busy", start=start + datetime.timedelta(hours=9),
                           end=start + datetime.timedelta(hours=10))
    meeting.save()
    views = list(a.protocol.get_free_busy_info(accounts=[(a, "Required", False)], start=start,
                                               end=start + datetime.timedelta(days=1)))
    busy = [e for v in views for e in (v.calendar_events or [])]
    assert [(e.busy_type) for e in busy] == ["Busy"], views
    names = list(a.protocol.resolve_names(["alice"]))
    assert [n.email_address for n in names] == [MAILBOX], names
    assert a.oof_settings.state == "Disabled"


def nothing_pinned():
    config = Configuration(server=None, service_endpoint=URL)
    a = Account(primary_smtp_address=MAILBOX, config=config, autodiscover=False, access_type=IMPERSONATION)
    assert a.protocol.config.auth_type == NOAUTH or a.protocol.auth_type == NOAUTH
    save(a, "nothing pinned")
    assert a.inbox.all().count() == 1


def delegate_default_mailbox():
    a = account(access_type=DELEGATE)
    save(a, "delegate")
    assert a.inbox.all().count() == 1


def basic_credentials():
    for kind in (BASIC, NTLM):
        a = account(auth_type=kind, credentials=Credentials(os.environ["USERNAME"], os.environ["PASSWORD"]))
        save(a, "with " + kind)
    assert a.inbox.all().count() == 2


def mailbox_not_listed():
    for mailbox in ("bob@contoso.com", "nobody@contoso.com"):
        try:
            account(mailbox).inbox.all().count()
        except ErrorImpersonateUserDenied:
            continue
        raise AssertionError("no exception")


def token_revoked():
    a = account()
    for i in range(10):
        save(a, f"message {i}")
        if i in (2, 5):
            control("revoke")
    assert a.inbox.all().count() == 10


def token_revoked_while_entra_is_down():
    a = account(retry_policy=FaultTolerance(max_wait=300))
    save(a, "before")
    control("entra/stop")
    control("revoke")
    threading.Timer(3, control, ("entra/restart",)).start()
    save(a, "after")
    assert a.inbox.all().count() == 2


def entra_down():
    a = account()
    save(a, "before")
    control("entra/stop")
    for i in range(5):
        save(a, f"during {i}")
    control("entra/restart")
    assert a.inbox.all().count() == 6


def throttled():
    a = account(retry_policy=FaultTolerance(max_wait=300))
    save(a, "before")
    control("busy", times=2, milliseconds=1500)
    began = time.monotonic()
    save(a, "after")
    took = time.monotonic() - began
    assert took >= 1.5, f"it did not wait: {took}"
    control("unavailable", times=1)
    assert a.inbox.all().count() == 2


def load_balancers_errors():
    a = account(retry_policy=FaultTolerance(max_wait=300))
    save(a, "before")
    for status in (502, 504, 429):
        control("gateway", times=1, status=status)
        save(a, f"after {status}")
    assert a.inbox.all().count() == 4


def no_token_yet():
    a = account(retry_policy=FaultTolerance(max_wait=300))
    threading.Timer(6, control, ("entra/restart",)).start()
    save(a, "patient")
    assert a.inbox.all().count() == 1


def affinity():
    a = account()
    with a.inbox.streaming_subscription() as subscription:
        for i in range(3):
            threading.Timer(0.5, control, ("deliver",), {"to": MAILBOX, "subject": f"streamed {i}"}).start()
            notes = list(a.inbox.get_streaming_events(subscription, connection_timeout=2, max_notifications_returned=1))
            assert any(type(e).__name__ == "NewMailEvent" for n in notes for e in n.events), notes
    with a.inbox.pull_subscription() as (subscription, watermark):
        control("deliver", to=MAILBOX, subject="pulled")
        for _ in range(4):
            for n in a.inbox.get_events(subscription, watermark):
                watermark = [e for e in n.events][-1].watermark


def client_users():
    right = Credentials(os.environ["USERNAME"], os.environ["PASSWORD"])
    assert account(auth_type=BASIC, credentials=right).inbox.all().count() == 0
    began = time.monotonic()
    for mailbox, credentials, error in ((MAILBOX, Credentials(os.environ["USERNAME"], "wrong"), UnauthorizedError),
                                        ("bob@contoso.com", right, ErrorImpersonateUserDenied)):
        try:
            account(mailbox, auth_type=BASIC, credentials=credentials).inbox.all().count()
        except error:
            continue
        raise AssertionError(f"no {error.__name__}")
    assert time.monotonic() - began < 100


NAMES = {"load balancer's errors": load_balancers_errors, "16 threads": sixteen_threads, "16 threads, token revoked": lambda: sixteen_threads(True),
         "free/busy and names": freebusy_and_names,
         "delegate, default mailbox": delegate_default_mailbox, "Basic credentials": basic_credentials,
         "Entra down": entra_down}

if __name__ == "__main__":
    task = sys.argv[1]
    (NAMES.get(task) or globals()[task.lower().replace(" ", "_")])()
