"""Drives evolution-ews by the services of evolution-data-server, in a D-Bus
session of its own. The task is the first argument; a failure is a traceback."""
import os
import signal
import subprocess
import sys
import time
import urllib.request

WORK = os.environ["WORK_DIR"]
MAILBOX = os.environ["MAILBOX"]
ACCOUNT = "interop-account"


def inside():
    """Runs this program once more inside a D-Bus session."""
    runtime = os.path.join(WORK, "runtime")
    sources = os.path.join(WORK, "config/evolution/sources")
    os.makedirs(sources)
    os.makedirs(runtime, 0o700)
    impersonate = os.environ.get("IMPERSONATE", "")
    with open(os.path.join(sources, ACCOUNT + ".source"), "w") as f:
        f.write("""[Data Source]
DisplayName=interop
Enabled=true
Parent=

[Collection]
BackendName=ews
CalendarEnabled=true
ContactsEnabled=true
Identity=%s
MailEnabled=false

[Authentication]
Host=127.0.0.1
Method=PLAIN
Port=0
ProxyUid=system-proxy
RememberPassword=false
User=%s

[Ews Backend]
Hosturl=%s
Email=%s
AuthMechanism=PLAIN
UseImpersonation=%s
ImpersonateUser=%s

[Offline]
StaySynchronized=false

[Refresh]
Enabled=false
""" % (MAILBOX, os.environ.get("LOGIN", MAILBOX), os.environ["EWS_URL"], MAILBOX, "true" if impersonate else "false", impersonate))
    environment = {**os.environ, "XDG_CONFIG_HOME": os.path.join(WORK, "config"), "XDG_DATA_HOME": os.path.join(WORK, "data"),
                   "XDG_CACHE_HOME": os.path.join(WORK, "cache"), "XDG_RUNTIME_DIR": runtime, "INSIDE": "1", "GSETTINGS_BACKEND": "memory",
                   "EWS_DEBUG": os.environ.get("EWS_DEBUG", "")}
    return subprocess.run(["dbus-run-session", "--", sys.executable, *sys.argv], env=environment).returncode


def control(path):
    with urllib.request.urlopen(os.environ["CONTROL_URL"] + "/" + path) as r:
        return r.read().decode()


class Account:
    def __init__(self):
        import gi
        gi.require_version("EDataServer", "1.2")
        gi.require_version("ECal", "2.0")
        from gi.repository import ECal, EDataServer, GLib
        self.ds, self.ecal, self.glib = EDataServer, ECal, GLib
        self.registry = EDataServer.SourceRegistry.new_sync(None)
        self.source = self.registry.ref_source(ACCOUNT)
        assert self.source, "the account is not there"

    def turn(self, condition, seconds=120):
        """Runs the main loop until condition holds."""
        context, deadline = self.glib.MainContext.default(), time.monotonic() + seconds
        while time.monotonic() < deadline:
            while context.iteration(False):
                pass
            value = condition()
            if value:
                return value
            time.sleep(0.1)
        return None

    def credentials(self):
        parameters = self.ds.NamedParameters.new()
        parameters.set("username", os.environ.get("LOGIN", MAILBOX))
        parameters.set("password", os.environ["PASSWORD"])
        return parameters

    def authenticate(self, source):
        source.invoke_authenticate_sync(self.credentials(), None)

    def folders(self):
        """The names of the folders that evolution-ews has found."""
        return {s.get_display_name(): s for s in self.registry.list_sources(None)
                if s.get_parent() == ACCOUNT}

    def open(self):
        self.authenticate(self.source)
        found = self.turn(lambda: self.folders().get("Calendar"))
        assert found, "no calendar; there are %s" % list(self.folders())
        return found

    def calendar(self):
        source = self.open()
        client = None
        for _ in range(3):
            try:
                # It waits ten seconds even when it is connected, and returns a client when it is not.
                client = self.ecal.Client.connect_sync(source, self.ecal.ClientSourceType.EVENTS, 10, None)
                break
            except self.glib.Error as e:
                print("connect:", e.message)
                self.authenticate(source)
        assert client, "the calendar cannot be opened"
        self.turn(lambda: not client.is_readonly())
        return client

    def add(self, client, subject):
        text = ("BEGIN:VEVENT\r\nUID:%s\r\nDTSTAMP:20261124T080000Z\r\nDTSTART:20261124T090000Z\r\nDTEND:20261124T100000Z\r\n"
                "SUMMARY:%s\r\nEND:VEVENT\r\n" % (subject.replace(" ", "-"), subject))
        client.create_object_sync(self.icalcomponent(text), self.ecal.OperationFlags.NONE, None)

    @staticmethod
    def icalcomponent(text):
        import gi
        gi.require_version("ICalGLib", "3.0")
        from gi.repository import ICalGLib
        return ICalGLib.Component.new_from_string(text)


def mailbox_named():
    a = Account()
    client = a.calendar()
    a.add(client, "by Evolution")


default_mailbox = login_user = mailbox_named


def mailbox_not_listed():
    a = Account()
    a.authenticate(a.source)
    assert a.turn(lambda: int(control("requests")) > 0), "no request was sent"
    assert not a.turn(lambda: a.folders().get("Calendar"), 15), "the folders were found"


def token_revoked():
    a = Account()
    client = a.calendar()
    for i in range(2):
        control("revoke")
        a.add(client, "event %d" % i)


def busy():
    a = Account()
    client = a.calendar()
    control("busy?times=1&milliseconds=1500")
    try:
        a.add(client, "first")
    except a.glib.Error as e:
        print("while Exchange is busy:", e.message)
        a.add(client, "second")


if __name__ == "__main__":
    signal.alarm(450)  # less than the runner's limit for a scenario
    if "INSIDE" not in os.environ:
        sys.exit(inside())
    globals()[sys.argv[1].lower().replace(" ", "_")]()
