// Drives ews-javascript-api. The task is the first argument; what is wrong is
// the last line on standard error.
'use strict';
const assert = require('assert');
const {
  AttendeeInfo, AvailabilityData, Appointment, BasePropertySet, BodyType, ConflictResolutionMode,
  ConnectingIdType, DateTime, DeleteMode, EventType, ExchangeService, ExchangeVersion, FileAttachment, Folder, FolderId,
  FolderTraversal, FolderView, ImpersonatedUserId, Item, ItemSchema, ItemView, EmailMessage, MessageBody, PropertySet, SearchFilter,
  SendInvitationsMode, StreamingSubscriptionConnection, SyncFolderItemsScope, TimeWindow, Uri, WebCredentials,
  WellKnownFolderName, CalendarView,
} = require('ews-javascript-api');

const env = process.env;
const inbox = new FolderId(WellKnownFolderName.Inbox);

function service(mailbox = env.MAILBOX) {
  const s = new ExchangeService(ExchangeVersion.Exchange2013_SP1);
  s.Url = new Uri(env.EWS_URL);
  s.Credentials = new WebCredentials(env.USERNAME, env.PASSWORD); // the library requires credentials
  if (mailbox) s.ImpersonatedUserId = new ImpersonatedUserId(ConnectingIdType.SmtpAddress, mailbox);
  return s;
}

async function control(path, query = {}) {
  const r = await fetch(env.CONTROL_URL + '/' + path + '?' + new URLSearchParams(query));
  assert.ok(r.ok, path);
  return r.text();
}

async function save(s, subject) {
  const m = new EmailMessage(s);
  m.Subject = subject;
  m.Body = new MessageBody(BodyType.Text, 'text of ' + subject);
  m.ToRecipients.Add(env.MAILBOX);
  await m.Save(WellKnownFolderName.Inbox);
  return m;
}

async function subjects(s, folder) {
  const found = await s.FindItems(folder, new ItemView(100));
  return found.Items.map((i) => i.Subject).sort();
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const tasks = {
  async folders() {
    const s = service();
    const view = new FolderView(100);
    view.Traversal = FolderTraversal.Deep;
    const found = await s.FindFolders(WellKnownFolderName.MsgFolderRoot, view);
    const names = found.Folders.map((f) => f.DisplayName);
    for (const want of ['Inbox', 'Sent Items', 'Calendar']) assert.ok(names.includes(want), names.join());
    const f = new Folder(s);
    f.DisplayName = 'Projects';
    await f.Save(WellKnownFolderName.Inbox);
    f.DisplayName = 'Archive';
    await f.Update();
    const again = await Folder.Bind(s, f.Id, PropertySet.FirstClassProperties);
    assert.strictEqual(again.DisplayName, 'Archive');
    await f.Delete(DeleteMode.HardDelete);
    assert.strictEqual((await s.FindFolders(WellKnownFolderName.Inbox, new FolderView(10))).TotalCount, 0);
  },

  async items() {
    const s = service();
    const first = await save(s, 'first Grüße');
    await save(s, 'second');
    assert.deepStrictEqual(await subjects(s, WellKnownFolderName.Inbox), ['first Grüße', 'second']);
    const filter = new SearchFilter.IsEqualTo(ItemSchema.Subject, 'second');
    const found = await s.FindItems(WellKnownFolderName.Inbox, filter, new ItemView(10));
    assert.strictEqual(found.TotalCount, 1);
    const message = await EmailMessage.Bind(s, first.Id, PropertySet.FirstClassProperties);
    assert.strictEqual(message.Body.Text, 'text of first Grüße');
    message.Subject = 'changed';
    await message.Update(ConflictResolutionMode.AlwaysOverwrite);
    const moved = await message.Move(new FolderId(WellKnownFolderName.Drafts));
    assert.deepStrictEqual(await subjects(s, WellKnownFolderName.Drafts), ['changed']);
    assert.deepStrictEqual(await subjects(s, WellKnownFolderName.Inbox), ['second']);
    await found.Items[0].Copy(new FolderId(WellKnownFolderName.Drafts));
    await moved.Delete(DeleteMode.MoveToDeletedItems);
    assert.deepStrictEqual(await subjects(s, WellKnownFolderName.Drafts), ['second']);
    assert.deepStrictEqual(await subjects(s, WellKnownFolderName.DeletedItems), ['changed']);
  },

  async send() {
    const s = service();
    const m = new EmailMessage(s);
    m.Subject = 'sent';
    m.Body = new MessageBody(BodyType.HTML, '<b>text</b>');
    m.ToRecipients.Add(env.MAILBOX);
    await m.SendAndSaveCopy();
    assert.deepStrictEqual(await subjects(s, WellKnownFolderName.SentItems), ['sent']);
    assert.deepStrictEqual(await subjects(s, WellKnownFolderName.Inbox), ['sent']);
  },

  async 'large attachment'() {
    const s = service();
    const content = require('crypto').randomBytes(5 << 20).toString('base64');
    const m = await save(s, 'large');
    m.Attachments.AddFileAttachment('random.bin', content);
    await m.Update(ConflictResolutionMode.AlwaysOverwrite);
    const again = await EmailMessage.Bind(s, m.Id, new PropertySet(BasePropertySet.IdOnly, ItemSchema.Attachments));
    assert.strictEqual(again.Attachments.Count, 1);
    const a = again.Attachments.Items[0];
    await a.Load();
    assert.ok(a.Base64Content === content, 'the content changed');
  },

  async sync() {
    const s = service();
    const folders = await s.SyncFolderHierarchy(new FolderId(WellKnownFolderName.MsgFolderRoot), PropertySet.FirstClassProperties, null);
    assert.ok(folders.Count > 5);
    const later = await s.SyncFolderHierarchy(new FolderId(WellKnownFolderName.MsgFolderRoot), PropertySet.FirstClassProperties, folders.SyncState);
    assert.strictEqual(later.Count, 0);
    const m = await save(s, 'synchronised');
    const sync = (state) => s.SyncFolderItems(inbox, PropertySet.FirstClassProperties, [], 100, SyncFolderItemsScope.NormalItems, state);
    const first = await sync(null);
    assert.strictEqual(first.Count, 1);
    assert.strictEqual((await sync(first.SyncState)).Count, 0);
    await m.Delete(DeleteMode.HardDelete);
    assert.strictEqual((await sync(first.SyncState)).Count, 1);
  },

  async 'pull notifications'() {
    const s = service();
    const subscription = await s.SubscribeToPullNotifications([inbox], 10, null, EventType.NewMail);
    await control('deliver', { to: env.MAILBOX, subject: 'pulled' });
    const events = await subscription.GetEvents();
    assert.ok(events.AllEvents.some((e) => e.EventType === EventType.NewMail), 'no event');
    await subscription.Unsubscribe();
  },

  async 'streaming notifications'() {
    const s = service();
    const subscription = await s.SubscribeToStreamingNotifications([inbox], EventType.NewMail);
    const connection = new StreamingSubscriptionConnection(s, 2);
    connection.AddSubscription(subscription);
    const news = new Promise((resolve, reject) => {
      connection.OnNotificationEvent.push((_, args) => resolve(args));
      connection.OnSubscriptionError.push((_, args) => reject(args.Exception));
    });
    connection.OnDisconnect.push(() => {});
    await connection.Open();
    setTimeout(() => control('deliver', { to: env.MAILBOX, subject: 'streamed' }), 500);
    const args = await Promise.race([news, sleep(100000)]);
    assert.ok(args, 'the notification was held back');
    assert.strictEqual(args.Events[0].EventType, EventType.NewMail);
    process.exit(0); // otherwise the process would wait two minutes for its connection
  },

  async affinity() {
    const s = service();
    s.HttpHeaders.Add('X-AnchorMailbox', env.MAILBOX);
    s.HttpHeaders.Add('X-PreferServerAffinity', 'true');
    const subscription = await s.SubscribeToPullNotifications([inbox], 10, null, EventType.NewMail);
    // The library keeps no cookies, so its users must copy this cookie themselves.
    const cookie = s.HttpResponseHeaders.get('set-cookie').toString().match(/X-BackEndOverrideCookie=([^;]+)/)?.[1];
    assert.ok(cookie, 'no X-BackEndOverrideCookie came');
    s.HttpHeaders.Add('Cookie', 'X-BackEndOverrideCookie=' + cookie);
    await control('deliver', { to: env.MAILBOX, subject: 'pulled' });
    for (let i = 0; i < 4; i++) await subscription.GetEvents();
  },

  async 'free/busy and names'() {
    const s = service();
    const a = new Appointment(s);
    a.Subject = 'busy';
    const day = new Date();
    day.setUTCHours(0, 0, 0, 0);
    const at = (hours) => new DateTime(day.getTime() + hours * 3600e3);
    a.Start = at(24 + 9);
    a.End = at(24 + 10);
    await a.Save(SendInvitationsMode.SendToNone);
    const seen = await s.FindAppointments(WellKnownFolderName.Calendar, new CalendarView(at(24), at(48)));
    assert.deepStrictEqual(seen.Items.map((i) => i.Subject), ['busy']);
    const got = await s.GetUserAvailability([new AttendeeInfo(env.MAILBOX)], new TimeWindow(at(24), at(48)), AvailabilityData.FreeBusy);
    assert.strictEqual(got.AttendeesAvailability.Responses[0].CalendarEvents.length, 1);
    const names = await s.ResolveName('alice');
    assert.strictEqual(names._getItem(0).Mailbox.Address, env.MAILBOX);
  },

  async 'no mailbox named'() {
    const s = service(null);
    await save(s, 'no mailbox named');
    assert.deepStrictEqual(await subjects(s, WellKnownFolderName.Inbox), ['no mailbox named']);
  },

  async 'mailbox not listed'() {
    for (const mailbox of ['bob@contoso.com', 'nobody@contoso.com']) {
      const e = await save(service(mailbox), 'x').then(() => null, (e) => e);
      assert.ok(e, 'no error');
      assert.strictEqual(e.faultCode || e.ErrorCode || e.SoapFault, 'a:ErrorImpersonateUserDenied', JSON.stringify(e));
    }
  },

  async 'token revoked'() {
    const s = service();
    for (let i = 0; i < 8; i++) {
      await save(s, 'message ' + i);
      if (i === 2 || i === 5) await control('revoke');
    }
    assert.strictEqual((await subjects(s, WellKnownFolderName.Inbox)).length, 8);
  },

  async throttled() {
    const s = service();
    await control('busy', { times: 1, milliseconds: 1500 });
    const e = await save(s, 'x').then(() => null, (e) => e);
    assert.ok(e, 'no error');
    assert.match(JSON.stringify(e), /ErrorServerBusy/);
    assert.match(JSON.stringify(e), /1500/);
    await sleep(1500);
    await save(s, 'after');
    assert.deepStrictEqual(await subjects(s, WellKnownFolderName.Inbox), ['after']);
  },

  async '16 at once'() {
    const s = service();
    await Promise.all(Array.from({ length: 16 }, (_, n) => save(s, 'message ' + n)));
    assert.strictEqual((await subjects(s, WellKnownFolderName.Inbox)).length, 16);
  },
};

tasks[process.argv[2]]().then(() => process.exit(0), (e) => {
  console.error(e);
  console.error(String((e && e.message) || JSON.stringify(e)).split('\n').join(' '));
  process.exit(1);
});
