"""Drives Thunderbird's own EWS without a window, by its Marionette protocol. The
task is the first argument; a failure is a traceback."""
import json
import os
import random
import socket
import subprocess
import sys
import time
import urllib.request

WORK = os.environ["WORK_DIR"]
MAILBOX = os.environ["MAILBOX"]

SETTINGS = {
    "mail.provider.suppress_dialog_on_startup": True, "mail.spotlight.firstRunDone": True, "mail.winsearch.firstRunDone": True,
    "mailnews.start_page.enabled": False, "mail.rights.version": 1, "app.update.enabled": False, "app.donation.eoy.version.viewed": 999,
    "datareporting.policy.dataSubmissionEnabled": False, "toolkit.telemetry.enabled": False, "browser.shell.checkDefaultBrowser": False,
    "mail.shell.checkDefaultClient": False, "network.proxy.type": 0, "mail.server.default.login_at_startup": False,
    "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False, "extensions.update.enabled": False,
    "services.settings.server": "http://127.0.0.1:9/", "mail.server.default.check_new_mail": False,
}

# The beginning of each script.
PRELUDE = """
const done = arguments[arguments.length - 1]
const args = arguments[0]
const {MailServices} = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs")
const sleep = ms => new Promise(r => setTimeout(r, ms))
const until = async (what, f) => {
  for (let i = 0; i < 1000; i++) {
    const value = f()
    if (value) return value
    await sleep(200)
  }
  throw new Error("waited in vain for " + what)
}
const server = () => MailServices.accounts.allServers.find(s => s.type == "ews")
const inbox = () => server().rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox)
const run = f => f().then(v => done({ok: v === undefined ? null : v}), e => done({error: String(e)}))
"""


def free_port():
    """Returns a port below those that the system gives to other sockets, so that no other
    program gets it before the client listens."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass  # in use


class Thunderbird:
    def __enter__(self):
        self.port, self.count, self.pending = free_port(), 0, b""
        profile = os.path.join(WORK, "profile")
        os.mkdir(profile)
        with open(os.path.join(profile, "user.js"), "w") as f:
            for name, value in {**SETTINGS, "marionette.port": self.port}.items():
                f.write("user_pref(%s, %s);\n" % (json.dumps(name), json.dumps(value)))
        self.log = open(os.path.join(WORK, "thunderbird.out"), "w")
        environment = {**os.environ, "MOZ_CRASHREPORTER_DISABLE": "1", "MOZ_HEADLESS": "1"}
        self.process = subprocess.Popen(["thunderbird", "--headless", "--marionette", "--remote-allow-system-access", "--no-remote", "--profile", profile],
                                        stdout=self.log, stderr=self.log, env=environment, start_new_session=True)
        try:
            self.connect()
        except BaseException as e:
            self.__exit__(type(e))
            raise
        return self

    def connect(self):
        deadline = time.monotonic() + 200
        while True:
            try:
                self.conn = socket.create_connection(("127.0.0.1", self.port), 20)
                break
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.5)
        self.conn.settimeout(270)
        self.receive()  # the greeting of Marionette
        self.command("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"unhandledPromptBehavior": "dismiss"}}})
        self.command("Marionette:SetContext", {"value": "chrome"})
        self.command("WebDriver:SetTimeouts", {"script": 240_000})

    def __exit__(self, kind, *_):
        os.killpg(self.process.pid, 9)
        self.process.wait(100)
        if kind:
            sys.stdout.write(open(self.log.name).read()[-4000:] + "\n")

    def receive(self):
        while b":" not in self.pending:
            self.pending += self.conn.recv(65536)
        length, rest = self.pending.split(b":", 1)
        while len(rest) < int(length):
            data = self.conn.recv(65536)
            assert data, "Thunderbird has closed the connection"
            rest += data
        self.pending = rest[int(length):]
        return json.loads(rest[:int(length)])

    def command(self, name, parameters):
        self.count += 1
        text = json.dumps([0, self.count, name, parameters]).encode()
        self.conn.sendall(str(len(text)).encode() + b":" + text)
        _, _, error, value = self.receive()
        assert error is None, error
        return value

    def run(self, script, **args):
        """Runs an async function's body in Thunderbird and returns its result."""
        value = self.command("WebDriver:ExecuteAsyncScript", {
            "script": PRELUDE + "run(async () => {" + script + "})", "args": [args], "newSandbox": True})["value"]
        assert "error" not in value, value["error"]
        return value["ok"]

    def account(self, user=MAILBOX, password=os.environ["PASSWORD"]):
        self.run("""
            const s = MailServices.accounts.createIncomingServer(args.user, "127.0.0.1", "ews")
            s.setStringValue("ews_url", args.url)
            s.authMethod = Ci.nsMsgAuthMethod.passwordCleartext
            s.socketType = Ci.nsMsgSocketType.plain
            s.password = args.password
            s.valid = true
            const identity = MailServices.accounts.createIdentity()
            identity.email = args.user
            const account = MailServices.accounts.createAccount()
            account.addIdentity(identity)
            account.incomingServer = s
        """, user=user, url=os.environ["EWS_URL"], password=password)

    def logon(self):
        """Returns the status of Thunderbird's own check of an account, 0 for success."""
        return self.run("""
            return await new Promise((resolve, reject) => {
              server().verifyLogon({OnStartRunningUrl() {}, OnStopRunningUrl(url, status) { resolve(status) }}, null)
              setTimeout(() => reject(new Error("verifyLogon does not end")), 200000)
            })
        """)

    def folders(self):
        return self.run("""
            server().performExpand(null)
            await until("the inbox", inbox)
            return server().rootFolder.descendants.map(f => f.name)
        """)

    def append(self, subject, size):
        """Copies a message file into the inbox and waits until it is there."""
        path = os.path.join(WORK, "message-%d.eml" % self.count)
        with open(path, "w", newline="") as f:
            f.write("From: %s\r\nTo: %s\r\nSubject: %s\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n" % (MAILBOX, MAILBOX, subject))
            f.write(("x" * 70 + "\r\n") * (size // 72))
        return self.run("""
            const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile)
            file.initWithPath(args.path)
            return await new Promise((resolve, reject) => {
              MailServices.copy.copyFileMessage(file, inbox(), null, false, 0, "", {
                QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]),
                onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null },
                onStopCopy(status) { resolve(status) },
              }, null)
              setTimeout(() => reject(new Error("the copy does not end")), 200000)
            })
        """, path=path)

    def subjects(self):
        return self.run("""
            await new Promise((resolve, reject) => {
              inbox().QueryInterface(Ci.nsIMsgFolder).getNewMessages(null, {OnStartRunningUrl() {}, OnStopRunningUrl() { resolve() }})
              setTimeout(() => reject(new Error("getNewMessages does not end")), 200000)
            })
            return [...inbox().messages].map(m => m.mime2DecodedSubject).sort()
        """)


def control(path):
    urllib.request.urlopen(os.environ["CONTROL_URL"] + "/" + path).close()


def default_mailbox():
    with Thunderbird() as t:
        t.account()
        assert t.logon() == 0, "the logon failed"
        folders = t.folders()
        assert "Inbox" in folders, folders
        assert t.append("small", 100) == 0
        assert t.append("large", 4 << 20) == 0
        control("deliver?to=" + MAILBOX + "&subject=delivered")
        got = t.subjects()
        assert "delivered" in got and "small" in got and "large" in got, got


def login_user():
    with Thunderbird() as t:
        t.account()
        assert t.logon() == 0, "the logon failed"
        assert "Inbox" in t.folders()


def mailbox_not_listed():
    with Thunderbird() as t:
        t.account(user="bob@contoso.com")
        assert t.logon() != 0, "the logon succeeded"


def token_revoked():
    with Thunderbird() as t:
        t.account()
        assert t.logon() == 0, "the logon failed"
        assert "Inbox" in t.folders()
        for i in range(2):
            control("revoke")
            assert t.append("message %d" % i, 600_000) == 0
        assert len(t.subjects()) == 2


def busy():
    with Thunderbird() as t:
        t.account()
        assert t.logon() == 0, "the logon failed"
        t.folders()
        control("busy?times=1&milliseconds=1500")
        first = t.append("message", 1000)
        if first != 0:  # Thunderbird may also wait and retry by itself
            assert t.append("message", 1000) == 0
        assert t.subjects() == ["message"], t.subjects()


if __name__ == "__main__":
    globals()[sys.argv[1].lower().replace(" ", "_")]()
