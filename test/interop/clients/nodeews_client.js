// Drives node-ews, which reads the service description first. The task is the
// first argument; what is wrong is the last line on standard error.
'use strict';
const assert = require('assert');
const EWS = require('node-ews');

const env = process.env;
const host = new URL(env.EWS_URL).origin;

function header(mailbox) {
  const version = { 't:RequestServerVersion': { attributes: { Version: 'Exchange2013_SP1' } } };
  if (!mailbox) return version;
  return { ...version, 't:ExchangeImpersonation': { 't:ConnectingSID': { 't:SmtpAddress': mailbox } } };
}

async function work(config, mailbox) {
  const ews = new EWS({ username: env.USERNAME, password: env.PASSWORD, host, ...config });
  const run = async (operation, args) => {
    const response = await ews.run(operation, args, header(mailbox));
    let message = response.ResponseMessages[operation + 'ResponseMessage'];
    if (Array.isArray(message)) message = message[0];
    assert.strictEqual(message.ResponseCode, 'NoError', JSON.stringify(message));
    return message;
  };
  const folder = await run('GetFolder', {
    FolderShape: { BaseShape: 'Default' },
    FolderIds: { DistinguishedFolderId: { attributes: { Id: 'inbox' } } },
  });
  assert.match(JSON.stringify(folder), /"DisplayName":"Inbox"/);
  const created = await run('CreateItem', {
    attributes: { MessageDisposition: 'SaveOnly' },
    SavedItemFolderId: { DistinguishedFolderId: { attributes: { Id: 'inbox' } } },
    Items: { Message: { Subject: 'by node-ews', Body: { attributes: { BodyType: 'Text' }, $value: 'text' } } },
  });
  const id = JSON.stringify(created).match(/"Id":"([^"]+)"/)[1];
  const got = await run('GetItem', { ItemShape: { BaseShape: 'Default' }, ItemIds: { ItemId: { attributes: { Id: id } } } });
  assert.match(JSON.stringify(got), /"Subject":"by node-ews"/);
  await run('DeleteItem', { attributes: { DeleteType: 'HardDelete' }, ItemIds: { ItemId: { attributes: { Id: id } } } });
}

const tasks = {
  Basic: () => work({ auth: 'basic' }, env.MAILBOX),
  NTLM: () => work({ auth: 'ntlm' }, env.MAILBOX),
  'no mailbox named': () => work({ auth: 'basic' }, null),
  async 'mailbox not listed'() {
    const e = await work({ auth: 'basic' }, 'bob@contoso.com').then(() => null, (e) => e);
    assert.ok(e, 'no error');
    assert.match(String(e.message), /ErrorImpersonateUserDenied/);
  },
};

tasks[process.argv[2]]().then(() => process.exit(0), (e) => {
  console.error(e);
  console.error(String(e && e.message).split('\n').join(' '));
  process.exit(1);
});
