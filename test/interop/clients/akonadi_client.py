"""Drives KDE's akonadi-ews by an Akonadi server of its own, in a D-Bus session of
its own. The task is the first argument; a failure is a traceback."""
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request

WORK = os.environ["WORK_DIR"]
MAILBOX = os.environ["MAILBOX"]
AGENT = "akonadi_ews_resource_0"


def inside():
    """Runs this program once more inside a D-Bus session. The session has a process
    namespace of its own, because Akonadi and D-Bus start processes that outlive it."""
    home = {"XDG_" + name: os.path.join(WORK, folder) for name, folder in
            (("CONFIG_HOME", "config"), ("DATA_HOME", "data"), ("CACHE_HOME", "cache"), ("RUNTIME_DIR", "run"))}  # a socket's path has at most 107 bytes
    for path in home.values():
        os.makedirs(path, 0o700)
    os.makedirs(os.path.join(home["XDG_CONFIG_HOME"], "akonadi"))

    def write(name, text):
        with open(os.path.join(home["XDG_CONFIG_HOME"], name), "w") as f:
            f.write(text)

    write("akonadi/akonadiserverrc", "[%General]\nDriver=QSQLITE\n")
    write("akonadi/agentsrc", "[Instances]\n" + AGENT + "\\AgentType=akonadi_ews_resource\n")
    write(AGENT + "rc", "[General]\nAutoDiscovery=false\nBaseUrl=%s\nEmail=%s\nHasDomain=false\nUsername=%s\nAuthMode=username-password\n"
          "RetrievalMethod=1\nServerSubscription=true\nPollInterval=1\n" % (os.environ["EWS_URL"], MAILBOX, os.environ.get("LOGIN", "")))
    write("kwalletrc", "[Wallet]\nEnabled=true\nFirst Use=false\n")
    environment = {**os.environ, **home, "INSIDE": "1", "QT_QPA_PLATFORM": "offscreen", "KDE_FORK_SLAVES": "1"}
    namespace = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return subprocess.run([*namespace, "dbus-run-session", "--", sys.executable, *sys.argv], env=environment).returncode


WALLET = """<node><interface name="org.kde.KWallet">
<method name="isEnabled"><arg type="b" direction="out"/></method>
<method name="networkWallet"><arg type="s" direction="out"/></method>
<method name="localWallet"><arg type="s" direction="out"/></method>
<method name="openAsync"><arg type="s" direction="in"/><arg type="x" direction="in"/><arg type="s" direction="in"/><arg type="b" direction="in"/><arg type="i" direction="out"/></method>
<method name="open"><arg type="s" direction="in"/><arg type="x" direction="in"/><arg type="s" direction="in"/><arg type="i" direction="out"/></method>
<method name="hasFolder"><arg type="i" direction="in"/><arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="b" direction="out"/></method>
<method name="createFolder"><arg type="i" direction="in"/><arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="b" direction="out"/></method>
<method name="folderList"><arg type="i" direction="in"/><arg type="s" direction="in"/><arg type="as" direction="out"/></method>
<method name="hasEntry"><arg type="i" direction="in"/><arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="b" direction="out"/></method>
<method name="readPassword"><arg type="i" direction="in"/><arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="s" direction="out"/></method>
<method name="isOpen"><arg type="i" direction="in"/><arg type="b" direction="out"/></method>
<method name="close"><arg type="i" direction="in"/><arg type="b" direction="in"/><arg type="s" direction="in"/><arg type="i" direction="out"/></method>
<signal name="walletAsyncOpened"><arg type="i"/><arg type="i"/></signal>
</interface></node>"""


def wallet():
    """Serves a wallet that holds the password. KDE's own one asks for it in a window."""
    from gi.repository import Gio, GLib
    path, values = "/modules/kwalletd5", {
        "isEnabled": ("b", True), "networkWallet": ("s", "kdewallet"), "localWallet": ("s", "kdewallet"), "openAsync": ("i", 1), "open": ("i", 1),
        "hasFolder": ("b", True), "createFolder": ("b", True), "folderList": ("as", ["akonadi-ews"]), "hasEntry": ("b", True),
        "readPassword": ("s", os.environ["PASSWORD"]), "isOpen": ("b", True), "close": ("i", 0)}

    def called(connection, _sender, _path, interface, method, _parameters, invocation):
        kind, value = values[method]
        invocation.return_value(GLib.Variant("(" + kind + ")", (value,)))
        if method == "openAsync":
            opened = lambda: connection.emit_signal(None, path, interface, "walletAsyncOpened", GLib.Variant("(ii)", (1, 1))) and False
            GLib.timeout_add(200, opened)

    connection = Gio.bus_get_sync(Gio.BusType.SESSION, None)
    connection.register_object(path, Gio.DBusNodeInfo.new_for_xml(WALLET).interfaces[0], called, None, None)
    Gio.bus_own_name_on_connection(connection, "org.kde.kwalletd5", Gio.BusNameOwnerFlags.NONE, None, None)
    GLib.MainLoop().run()


def control(path):
    with urllib.request.urlopen(os.environ["CONTROL_URL"] + "/" + path) as r:
        return r.read().decode()


def executed(operation):
    return int(control("executed?operation=" + operation))


def until(condition, seconds=120):
    """Repeats condition once a second until it holds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(1)
    return False


class Akonadi:
    def __enter__(self):
        self.log = open(os.path.join(WORK, "akonadi.out"), "w")
        self.wallet = subprocess.Popen([sys.executable, sys.argv[0], "wallet"], stdout=self.log, stderr=self.log)
        assert until(lambda: "true" in self.bus("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.NameHasOwner",
                                                "string:org.kde.kwalletd5")), "the wallet did not start"
        self.process = subprocess.Popen(["akonadi_control"], stdout=self.log, stderr=self.log)
        return self

    def __exit__(self, kind, *_):
        """Ends nothing: the processes end with their namespace."""
        if kind:
            sys.stdout.write(open(self.log.name).read()[-3000:] + "\n")

    @staticmethod
    def bus(name, path, method, *args):
        return subprocess.run(["dbus-send", "--session", "--print-reply", "--type=method_call", "--dest=" + name, path, method, *args],
                              capture_output=True, text=True).stdout

    def synchronise(self):
        self.bus("org.freedesktop.Akonadi.Control", "/AgentManager",
                 "org.freedesktop.Akonadi.AgentManager.agentInstanceSynchronizeCollectionTree", "string:" + AGENT)

    def synchronised(self, more_than=0, seconds=120):
        """Has the folders synchronised until Exchange did so more often than before."""
        def again():
            self.synchronise()
            return executed("SyncFolderHierarchy") > more_than
        return until(again, seconds)

    @staticmethod
    def stored(query):
        """Reads the store of Akonadi, which has folders and messages only after it understood Exchange's responses."""
        path = os.path.join(os.environ["XDG_DATA_HOME"], "akonadi", "akonadi.db")
        try:
            with sqlite3.connect("file:" + path + "?mode=ro", uri=True, timeout=10) as db:
                return {str(row[0]) for row in db.execute(query)}
        except sqlite3.OperationalError as e:  # the database or table does not exist yet
            print("store:", e)
            return set()

    def folders(self):
        return self.stored("SELECT name FROM CollectionTable")

    def messages(self):
        return self.stored("SELECT p.id FROM PimItemTable p JOIN CollectionTable c ON p.collectionId = c.id WHERE c.name = 'Inbox'")

    def start(self):
        assert self.synchronised(), "no folders were synchronised"
        assert until(lambda: {"Inbox", "Calendar", "Sent Items"} <= self.folders()), "the store has the folders %s" % self.folders()


def default_mailbox():
    with Akonadi() as a:
        a.start()
        assert until(lambda: executed("GetStreamingEvents") > 0), "no notifications were asked for"
        before = a.messages()

        def notified():
            control("deliver?to=" + MAILBOX + "&subject=by+KDE")
            return until(lambda: a.messages() > before, 20)
        # akonadi-ews reads the stream when no data has come for 250 ms, and then discards
        # all but the first document. A notification that comes that soon after another
        # document is lost, so the mailbox gets another message.
        assert any(notified() for _ in range(6)), "the new message is not in the store"


login_user = default_mailbox


def token_revoked():
    with Akonadi() as a:
        a.start()
        for _ in range(2):
            before = executed("SyncFolderHierarchy")
            control("revoke")
            assert a.synchronised(before), "no folders were synchronised after the token was revoked"


def busy():
    with Akonadi() as a:
        a.start()
        before = executed("SyncFolderHierarchy")
        control("busy?times=2&milliseconds=1500")
        assert a.synchronised(before), "no folders were synchronised after Exchange was busy"


def no_mailbox():
    with Akonadi() as a:
        assert until(lambda: int(control("requests")) > 0), "the resource sent no request"
        assert not a.synchronised(seconds=15), "folders of no mailbox were synchronised"


mailbox_not_listed = no_mailbox


if __name__ == "__main__":
    signal.alarm(450)  # less than the runner's limit for a scenario
    if "INSIDE" not in os.environ:
        sys.exit(inside())
    globals()[sys.argv[1].lower().replace(" ", "_")]()
