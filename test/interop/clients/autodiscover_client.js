// Drives ews-javascript-api with an address and no URL. The task is the first
// argument; what is wrong is the last line on standard error.
'use strict';
const assert = require('assert');
const {
  ConnectingIdType, ExchangeService, ExchangeVersion, Folder, ImpersonatedUserId, WebCredentials, WellKnownFolderName,
} = require('ews-javascript-api');

const env = process.env;

async function open(mailbox) {
  const s = new ExchangeService(ExchangeVersion.Exchange2013_SP1);
  s.Credentials = new WebCredentials(env.USERNAME, env.PASSWORD); // the library requires credentials
  s.ImpersonatedUserId = new ImpersonatedUserId(ConnectingIdType.SmtpAddress, mailbox);
  await s.AutodiscoverUrl(mailbox, () => false);
  return s;
}

const tasks = {
  async found() {
    const s = await open(env.MAILBOX);
    assert.strictEqual(s.Url.ToString(), 'https://autodiscover.contoso.com/EWS/Exchange.asmx');
    const inbox = await Folder.Bind(s, WellKnownFolderName.Inbox);
    assert.strictEqual(inbox.DisplayName, 'Inbox');
  },

  async refused() {
    await assert.rejects(open('bob@contoso.com'), (e) => {
      // After InvalidUser the library tries Autodiscover of Exchange 2007, which it does not have.
      assert.match(String(e.message || e), /Not implemented/);
      return true;
    });
  },
};

tasks[process.argv[2]]().catch((e) => {
  console.error(e.stack || e);
  console.error(String(e.message || JSON.stringify(e)).replace(/\s+/g, ' '));
  process.exit(1);
});
