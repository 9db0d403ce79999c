"""Drives DavMail: IMAP, SMTP and CalDAV in front, EWS behind. The task is the
first argument; a failure is a traceback."""
import email
import email.message
import email.policy
import imaplib
import os
import random
import smtplib
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

imaplib._MAXLINE = 20_000_000
USER = os.environ["MAILBOX"]
WORK = os.environ["WORK_DIR"]


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


class DavMail:
    def __enter__(self):
        self.imap_port, self.smtp_port = free_port(), free_port()
        settings = {
            "davmail.server": "true", "davmail.mode": "EWS", "davmail.url": os.environ["EWS_URL"],
            "davmail.imapPort": self.imap_port, "davmail.smtpPort": self.smtp_port, "davmail.popPort": "",
            "davmail.caldavPort": "", "davmail.ldapPort": "", "davmail.allowRemote": "false",
            "davmail.disableUpdateCheck": "true", "davmail.logFilePath": os.path.join(WORK, "davmail.log"),
            "log4j.rootLogger": "WARN", "log4j.logger.davmail": "DEBUG", "davmail.clientSoTimeout": "300",
        }
        path = os.path.join(WORK, "davmail.properties")
        with open(path, "w") as f:
            f.writelines(f"{k}={v}\n" for k, v in settings.items())
        self.log = open(os.path.join(WORK, "davmail.out"), "w")
        self.process = subprocess.Popen(["davmail", path], stdout=self.log, stderr=self.log, start_new_session=True)
        deadline = time.monotonic() + 200
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.imap_port), 20).close()
                return self
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def __exit__(self, kind, *_):
        os.killpg(self.process.pid, 15)
        self.process.wait(100)
        if kind:
            sys.stdout.write(open(self.log.name).read()[-20000:])

    def imap(self, user=USER):
        m = imaplib.IMAP4("127.0.0.1", self.imap_port)
        m.login(user, os.environ["PASSWORD"])
        return m


def ok(response):
    assert response[0] == "OK", response
    return response[1]


def message(subject, size=0):
    m = email.message.EmailMessage()
    m["From"], m["To"], m["Subject"] = USER, USER, subject
    m.set_content("text of " + subject)
    if size:
        m.add_attachment(os.urandom(size), "application", "octet-stream", filename="random.bin")
    return m


def imap(user=USER):
    with DavMail() as d:
        m = d.imap(user)
        names = str(ok(m.list()))
        for want in ("INBOX", "Sent", "Drafts"):
            assert want in names, names
        ok(m.create("Projects"))
        assert "Projects" in str(ok(m.list()))
        ok(m.append("INBOX", "", None, message("appended Grüße").as_bytes()))
        assert ok(m.select("INBOX")) == [b"1"]
        uid = ok(m.uid("SEARCH", None, "ALL"))[0]
        assert uid, "nothing found"
        flags = ok(m.uid("FETCH", uid, "(FLAGS RFC822.SIZE)"))
        raw = ok(m.uid("FETCH", uid, "(BODY.PEEK[])"))[0][1]
        got = email.message_from_bytes(raw, policy=email.policy.default)
        assert got["Subject"] == "appended Grüße", got["Subject"]
        ok(m.uid("STORE", uid, "+FLAGS", "(\\Seen)"))
        assert b"\\Seen" in ok(m.uid("FETCH", uid, "(FLAGS)"))[0], flags
        ok(m.uid("COPY", uid, "Projects"))
        ok(m.uid("STORE", uid, "+FLAGS", "(\\Deleted)"))
        ok(m.expunge())
        assert ok(m.select("INBOX")) == [b"0"]
        assert ok(m.select("Projects")) == [b"1"]
        m.logout()


def large_message():
    with DavMail() as d:
        m = d.imap()
        sent = message("large", 4 << 20)
        ok(m.append("INBOX", "", None, sent.as_bytes()))
        ok(m.select("INBOX"))
        raw = ok(m.fetch("1", "(BODY.PEEK[])"))[0][1]
        got = email.message_from_bytes(raw, policy=email.policy.default)
        a, b = next(sent.iter_attachments()).get_content(), next(got.iter_attachments()).get_content()
        assert a == b, "the attachment changed"
        m.logout()


def smtp():
    with DavMail() as d:
        with smtplib.SMTP("127.0.0.1", d.smtp_port, timeout=200) as s:
            s.login(USER, os.environ["PASSWORD"])
            s.send_message(message("sent by SMTP"))
        m = d.imap()
        assert ok(m.select("INBOX")) == [b"1"]
        m.logout()


def mailbox_not_listed():
    with DavMail() as d:
        began = time.monotonic()
        try:
            d.imap("ceo@contoso.com")
        except imaplib.IMAP4.error as e:
            assert time.monotonic() - began < 100, "it took too long"
            print(e)
            return
        raise AssertionError("no error")


def throttled():
    with DavMail() as d:
        m = d.imap()
        urllib.request.urlopen(os.environ["CONTROL_URL"] + "/busy?times=1&milliseconds=1000").close()
        assert "INBOX" in str(ok(m.list()))  # waits ten seconds longer than configured
        m.logout()


def control(path):
    urllib.request.urlopen(os.environ["CONTROL_URL"] + path).close()


def mail(d, subject, size):
    with smtplib.SMTP("127.0.0.1", d.smtp_port, timeout=200) as s:
        s.login(USER, os.environ["PASSWORD"])
        s.send_message(message(subject, size))


def subjects(m):
    """The subjects of all messages in the inbox."""
    n = int(ok(m.select("INBOX"))[0])
    return sorted(str(email.message_from_bytes(ok(m.fetch(str(i + 1), "(BODY.PEEK[HEADER])"))[0][1])["Subject"]) for i in range(n))


def large_mail_behind_a_device():
    """What is refused because of its Expect header is sent again without."""
    with DavMail() as d:
        m = d.imap()
        ok(m.append("INBOX", "", None, message("appended", 600_000).as_bytes()))
        mail(d, "mailed", 600_000)
        assert subjects(m) == ["appended", "mailed"], subjects(m)
        m.logout()


def fails_visibly(store, status, body):
    """store must report an error while a device responds in place of Exchange, and
    the mail must be in the mailbox neither then nor later."""
    with DavMail() as d:
        m = d.imap()
        ok(m.append("INBOX", "", None, message("before").as_bytes()))
        control("/page?status=%d&body=%s" % (status, urllib.parse.quote(body)))
        try:
            said = store(d, m)
        except (imaplib.IMAP4.error, smtplib.SMTPException) as e:
            said = repr(e)
        else:
            raise AssertionError("the sender got a success response although the mail was not stored: %r" % (said,))
        print(said)
        control("/page?status=0")
        m = d.imap()
        assert subjects(m) == ["before"], subjects(m)


def append(d, m):
    return ok_or_raise(m.append("INBOX", "", None, message("lost", 600_000).as_bytes()))


def ok_or_raise(response):
    if response[0] != "OK":
        raise imaplib.IMAP4.error(response)
    return response


SIGN_IN = '<html><head><title>Sign in</title></head><body><form action="/my.policy" method="post"></form></body></html>'


def imap_sign_in_page():
    fails_visibly(append, 200, SIGN_IN)


def imap_empty_response():
    fails_visibly(append, 200, "")


def imap_too_large_for_the_device():
    fails_visibly(append, 413, "<html><head><title>413 Request Entity Too Large</title></head></html>")


def smtp_sign_in_page():
    fails_visibly(lambda d, m: mail(d, "lost", 600_000), 200, SIGN_IN)


def token_revoked():
    with DavMail() as d:
        m = d.imap()
        for i in range(4):
            ok(m.append("INBOX", "", None, message("message %d" % i, 400_000 * (i % 2)).as_bytes()))
            if i < 3:
                control("/revoke")
        assert len(subjects(m)) == 4, subjects(m)
        m.logout()


def imap_client_users():
    imap(os.environ["USERNAME"])


if __name__ == "__main__":
    globals()[sys.argv[1].lower().replace(", ", "_").replace("-", "_").replace(" ", "_")]()
