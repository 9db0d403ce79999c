// Package config turns the environment into a [Config] whose fields cannot be
// wrong: addresses are parsed, lists are not empty, and settings that only make
// sense together have been checked together.
//
// [Load] is the entry point. It reads every variable, reports all mistakes
// together as [*Problems], and never puts a value into an error, because a
// secret may have been set under the name of another setting. [ParseEnvFile]
// reads the file of the -env-file flag. [Usage] and [Markdown] print the list
// of variables that the tags of Config describe.
package config

import (
	"net/url"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// Config is the whole configuration. Each field holds the variable that its env
// tag names; the other tags describe it to people:
//
//	section  opens a section of the documentation
//	form     what a value looks like, for the documentation and for errors
//	desc     what the variable does
//	absent   what applies if the variable is not set and the field has no envDefault
//	min      the smallest permitted duration
//
// Every field is valid after [Load] returned no error. A pointer or list is
// nil, and a string empty, only where the comment of its field says so.
type Config struct {
	// EWS is the one endpoint that requests go to: "https://mail.contoso.com/EWS/Exchange.asmx".
	EWS EWSURL `env:"HMA_EWS_URL,required" section:"Exchange" form:"an https URL such as https://mail.contoso.com/EWS/Exchange.asmx" desc:"Address of Exchange's EWS endpoint (\"EWS URL\" in Microsoft's guide). Without a path it means /EWS/Exchange.asmx."`
	// Resource is the audience of the tokens to request, without "/.default": "https://mail.contoso.com".
	Resource ResourceID `env:"HMA_RESOURCE_ID" form:"an https URL without a path, or a host name" absent:"scheme and host of HMA_EWS_URL" desc:"Audience of the token (\"AAD resource Id\"): the name under which Exchange is registered in Entra ID. A host name alone stands for https://host. A trailing slash is part of the name and is kept."`
	// Connect is dialled instead of the host of EWS; "" means that host.
	Connect HostPort `env:"HMA_EWS_CONNECT" form:"host:port" desc:"Where to open connections to Exchange when the name in HMA_EWS_URL leads elsewhere from here (split DNS, a hosts entry that points at this proxy). TLS name, Host header and audience stay those of HMA_EWS_URL."`

	// Tenant is the tenant of Exchange: a GUID or a domain name, in lower case.
	Tenant TenantID `env:"HMA_TENANT_ID,required" section:"Entra ID" form:"a tenant id (GUID) or one of the tenant's domain names" desc:"Tenant that Exchange belongs to (\"TenantId\")."`
	// App is the application that asks for the token, in lower case.
	App AppID `env:"HMA_APP_ID,required" form:"an application (client) id, a GUID" desc:"Application that holds full_access_as_app (\"HMA Application Id\")."`
	// Authority is the sign-in service: scheme, host and port only.
	Authority Origin `env:"HMA_AUTHORITY_HOST" envDefault:"https://login.microsoftonline.com" form:"an https URL without a path" desc:"Sign-in service of the cloud: public, national or sovereign."`

	// AppAuth says what proves the identity of App.
	AppAuth AppAuth `env:"HMA_APP_AUTH" envDefault:"certificate" form:"certificate, workload or managed" desc:"What proves the identity of HMA_APP_ID to Entra ID. certificate is the supported way. workload and managed are experimental: a federated credential takes the certificate's place, a token of the Kubernetes service account (AZURE_FEDERATED_TOKEN_FILE) or of a managed identity. It is not known whether Exchange Server accepts the tokens that Entra ID then issues: hmaproxy doctor -mailbox ADDRESS finds out."`
	// AppIdentity is the user-assigned managed identity of AppAuth managed; ""
	// means the machine's only user-assigned identity.
	AppIdentity AppID `env:"HMA_APP_IDENTITY_ID" form:"a client id, a GUID" absent:"the machine's only user-assigned identity" desc:"Client id of the managed identity, with HMA_APP_AUTH=managed (experimental)."`
	// FederatedTokenFile is the file with the token of AppAuth workload; "" if the platform sets none. It is permitted with any AppAuth, because the platform sets it.
	FederatedTokenFile Path `env:"AZURE_FEDERATED_TOKEN_FILE" form:"the path of a file" absent:"set by Azure's workload identity webhook" desc:"Token of the Kubernetes service account, with HMA_APP_AUTH=workload (experimental). Read again for every client assertion."`

	// VaultURI is nil when the certificate does not come from Key Vault.
	VaultURI Origin `env:"HMA_KEY_VAULT_URI" section:"Certificate from Key Vault" form:"an https URL without a path, such as https://contoso.vault.azure.net" desc:"Key Vault that holds the certificate (\"Key Vault Uri\")."`
	// VaultCertName names the certificate in the vault; "" exactly when VaultURI is nil.
	VaultCertName CertName `env:"HMA_KEY_VAULT_CERT_NAME" form:"1 to 127 letters, digits and hyphens" desc:"Name of the certificate in the vault (\"Key Vault KeyName\")."`
	// VaultApp is the application (or user-assigned identity) that opens the vault; "" leaves the choice to the platform.
	VaultApp AppID `env:"HMA_KEY_VAULT_APP_ID" form:"an application (client) id, a GUID" desc:"Application that may read the vault (\"KeyVault Application Id\"). Required with HMA_KEY_VAULT_AUTH=secret; with workload and managed it selects an identity other than the platform's default."`
	// VaultSecret is set exactly when VaultAuth is AuthSecret and the vault is the source.
	VaultSecret Secret `env:"HMA_KEY_VAULT_CLIENT_SECRET" form:"the secret's value" desc:"Client secret of that application (\"KeyVault Client Secret\"): its value, not its id."`
	// VaultSecretFile is the file that VaultSecret was read from, or "" if VaultSecret came from the environment. [ReadSecret] reads the file again.
	VaultSecretFile Path `env:"HMA_KEY_VAULT_CLIENT_SECRET_FILE" form:"the path of a file" desc:"File that holds the client secret, instead of HMA_KEY_VAULT_CLIENT_SECRET. Read again at every poll."`
	// VaultTenant is the tenant of the vault's application.
	VaultTenant TenantID `env:"HMA_KEY_VAULT_TENANT_ID" form:"a tenant id (GUID) or one of the tenant's domain names" absent:"HMA_TENANT_ID" desc:"Tenant of the vault, when it is another one."`
	// VaultAuth says how to sign in to the vault.
	VaultAuth VaultAuth `env:"HMA_KEY_VAULT_AUTH" envDefault:"secret" form:"secret, workload, managed or default" desc:"How to sign in to the vault: secret (application id and client secret), workload (workload identity federation), managed (managed identity), default (az login, for development)."`
	// KeyMode says where assertions are signed.
	KeyMode KeyMode `env:"HMA_KEY_MODE" envDefault:"memory" form:"memory or vault" desc:"memory fetches the private key; vault leaves a non-exportable key where it is and has every assertion signed inside Key Vault."`

	// CertFile is "" when the certificate does not come from a file.
	CertFile Path `env:"HMA_CERT_FILE" section:"Certificate from a file" form:"the path of a PEM or PFX file" desc:"Certificate and private key on disk instead of in Key Vault. Read again when the file changes."`
	// CertPassword opens CertFile; "" means that the file has no password.
	CertPassword Secret `env:"HMA_CERT_PASSWORD" form:"the file's password" desc:"Password of HMA_CERT_FILE."`
	// CertPasswordFile is the file that CertPassword was read from, or "" if CertPassword came from the environment. [ReadSecret] reads the file again.
	CertPasswordFile Path `env:"HMA_CERT_PASSWORD_FILE" form:"the path of a file" desc:"File that holds the password, instead of HMA_CERT_PASSWORD."`

	// CertStore is the zero value when the certificate does not come from a Windows store.
	CertStore CertStore `env:"HMA_CERT_STORE" section:"Certificate from the Windows certificate store" form:"LocalMachine/My or CurrentUser/My" desc:"Windows certificate store that holds the certificate. Its private key stays there, also in a TPM, and need not be exportable. The store CurrentUser of a service is that of the service's account."`
	// CertThumbprint selects one certificate of CertStore; "" when CertSubject selects it.
	CertThumbprint Thumbprint `env:"HMA_CERT_THUMBPRINT" form:"a SHA-1 thumbprint, 40 hexadecimal digits" desc:"Certificate in HMA_CERT_STORE. A renewed one takes a new value and a restart."`
	// CertSubject selects the newest valid certificate of CertStore with this subject; "" when CertThumbprint selects the certificate.
	CertSubject Subject `env:"HMA_CERT_SUBJECT" form:"a distinguished name such as CN=HMA-Cert" desc:"Subject of the certificate in HMA_CERT_STORE, instead of HMA_CERT_THUMBPRINT. The newest valid certificate of that subject is used, so that auto-enrolment renews it."`

	// CertPoll is the interval between checks for a new certificate version.
	CertPoll time.Duration `env:"HMA_CERT_POLL_INTERVAL" envDefault:"10m" min:"1s" form:"a duration such as 10m" desc:"How often to look for a new version of the certificate, in the vault, the file or the store."`

	// Listen is never empty.
	Listen Listeners `env:"HMA_LISTEN" envDefault:"127.0.0.1:8080,[::1]:8080" section:"Clients" form:"a comma-separated list of address:port (an IP address or localhost) and unix:/path" desc:"Where clients connect. A Unix socket gets mode 0600, in a directory that exists and that only its owner may write to. On a machine without IPv6 the second default address is skipped."`
	// TLSCertFiles and TLSKeyFiles are nil (plain HTTP) or have the same length.
	TLSCertFiles Paths `env:"HMA_TLS_CERT_FILE" form:"the path of a PEM file, or several separated by commas" desc:"Certificate chain to serve TLS with, for clients that insist on https. TCP addresses of HMA_LISTEN then speak TLS alone; Unix sockets and HMA_ADMIN_LISTEN do not. Of several chains each client gets the first that is for the name it asks for (SNI), or else the first. Read again when a file changes; faulty new files leave the old ones in use and raise an alarm. hmaproxy tls-setup makes one."`
	TLSKeyFiles  Paths `env:"HMA_TLS_KEY_FILE" form:"the path of a PEM file, or several separated by commas" desc:"Private keys of HMA_TLS_CERT_FILE in the same order, not encrypted."`
	// UnsafeListenAny is true only together with a ClientUsersFile.
	UnsafeListenAny bool `env:"HMA_UNSAFE_LISTEN_ANY" envDefault:"false" form:"true or false" desc:"Permits addresses beyond loopback in HMA_LISTEN; HMA_CLIENT_USERS_FILE is then required. To reach the proxy from another container, share the network namespace instead."`
	// ClientUsersFile is "" when clients need no credentials.
	ClientUsersFile Path `env:"HMA_CLIENT_USERS_FILE" form:"the path of a file" desc:"Clients must present Basic credentials: one line for each, name:bcrypt-hash, then optionally mailbox patterns that narrow the allow-list for that client (and are one where there is none). hmaproxy hash-password makes a line. Read again when it changes; a faulty new file leaves the old users in force and raises an alarm."`
	// ClientUsers are the users in ClientUsersFile; nil if ClientUsersFile is "". [ReadClientUsers] reads the file again.
	ClientUsers ClientUsers `env:"-"`
	// ClientUsersUnended says that the last line of ClientUsersFile had no line end.
	ClientUsersUnended bool `env:"-"`
	// HostNames are further names for the Host header, in lower case, IPv6 addresses in brackets; nil means no further names.
	HostNames HostNames `env:"HMA_HOST_NAMES" form:"a comma-separated list of host names or IP addresses, without ports" absent:"only localhost, 127.0.0.1 and [::1]" desc:"Further names that clients may use for this proxy in the Host header."`
	// Autodiscover is the zero value when Autodiscover's paths are not served.
	Autodiscover Autodiscover `env:"HMA_AUTODISCOVER" form:"auto, or the https URL of this proxy's EWS endpoint such as https://ews-proxy.contoso.com/EWS/Exchange.asmx" absent:"Autodiscover is not served" desc:"URL that clients get which find Exchange by Autodiscover, for mailboxes that the allow-list allows. auto hands out the URL by which the client came. The names under which clients ask, such as autodiscover.contoso.com, belong into HMA_HOST_NAMES and must lead here on the client's machine alone; docs/autodiscover.md says how."`
	// ForwardHeaders are further request headers to carry, in canonical form; nil means no further headers.
	ForwardHeaders HeaderNames `env:"HMA_FORWARD_HEADERS" form:"a comma-separated list of header names" desc:"Further request headers to carry to Exchange. Headers that hold credentials, name mailboxes, frame the message or belong to Exchange itself are refused."`

	// ExpectContinue says whether requests with long bodies are sent with
	// "Expect: 100-continue".
	ExpectContinue ExpectContinue `env:"HMA_EXPECT_CONTINUE" envDefault:"auto" form:"auto or never" desc:"auto sends Expect: 100-continue with a body that is too long to buffer, so that a refused token does not cost the request; an upstream that refuses or ignores it is not asked again for a day. never is for a device in front of Exchange that fails because of it."`

	// AllowedMailboxes are the entries of the allow-list apart from groups; nil means no such entries. See [Config.Access].
	AllowedMailboxes Mailboxes `env:"HMA_ALLOWED_MAILBOXES" section:"Mailboxes and operations" form:"mailbox patterns such as alice@contoso.com, *@contoso.com, upn:alice@contoso.com, sid:S-1-5-21-…, guid:01234567-…, separated by commas or lines, or * alone" absent:"every mailbox of the organisation, with an alarm" desc:"The allow-list: mailboxes that clients may open. Lines may carry # comments. * alone says that every mailbox of the organisation is meant, and silences the alarm; it is not permitted in a list file."`
	// EveryMailbox is true for HMA_ALLOWED_MAILBOXES=*: there is no allow-list, on purpose.
	EveryMailbox bool `env:"-"`
	// AllowedMailboxesFile is the file that AllowedMailboxes was read from, or "" if AllowedMailboxes came from the environment. [ReadMailboxes] reads the file again.
	AllowedMailboxesFile Path `env:"HMA_ALLOWED_MAILBOXES_FILE" form:"the path of a file" desc:"File that holds the allow-list, instead of HMA_ALLOWED_MAILBOXES. Read again when it changes; a faulty new file leaves the old list in force and raises an alarm."`
	// AllowedGroups are groups whose members are part of the allow-list; nil: no groups.
	AllowedGroups Addresses `env:"HMA_ALLOWED_GROUPS" form:"a comma-separated list of mail addresses of groups" desc:"Mail-enabled or dynamic distribution groups of Exchange whose members are part of the allow-list, nested groups included. Expanded at start, about every 15 minutes and on SIGHUP. A change of many members at once is held until SIGHUP confirms it. Whoever may add members to such a group widens the allow-list."`
	// AllowedGroupsAs is "" exactly when AllowedGroups is nil.
	AllowedGroupsAs Address `env:"HMA_ALLOWED_GROUPS_AS" form:"a mail address" absent:"HMA_DEFAULT_MAILBOX" desc:"Mailbox to act as when groups are expanded. Its user must see the groups and their members in the address book. It need not be on the allow-list."`
	// ListMode says what happens to a request that the list refuses.
	ListMode ListMode `env:"HMA_ALLOW_LIST_MODE" envDefault:"enforce" form:"enforce or audit" desc:"enforce refuses what the allow-list does not cover; audit forwards it and logs what would have been refused."`
	// ListScope says which mailboxes of a request must be on the allow-list.
	ListScope ListScope `env:"HMA_ALLOW_LIST_SCOPE" envDefault:"impersonated" form:"impersonated or targets" desc:"impersonated decides about the mailbox that a request acts as. targets also decides about the mailboxes that its body refers to, by address and, where the allow-list has guid: entries, by the ids of items and folders, and the senders of messages that are stored: in From and Sender, in MimeContent and in MAPI properties. It is not for clients that store received mail of others, such as a migration."`
	// ListAddresses says which addresses of a mailbox an entry allows.
	ListAddresses ListAddresses `env:"HMA_ALLOW_LIST_ADDRESSES" envDefault:"any" form:"any or primary" desc:"any lets an entry such as alice@contoso.com allow the mailbox that has this address, also as an alias; primary makes Exchange refuse an alias. An address that only a wildcard matches must be the primary one in either case. With primary, a mailbox that a body refers to needs an entry of its own."`
	// ListIDs says what happens to an id whose mailbox cannot be read.
	ListIDs ListIDs `env:"HMA_ALLOW_LIST_IDS" envDefault:"known" form:"known or strict" desc:"With HMA_ALLOW_LIST_SCOPE=targets and guid: entries in the allow-list, an id of an item, folder, attachment or conversation in another mailbox is refused. known forwards and counts an id whose mailbox cannot be read; strict refuses it. Both refuse an id in a form that Exchange reads but does not issue."`
	// Operations are the allowed operations: the default set with additions, or
	// another set. The zero value is the default set.
	Operations Operations `env:"HMA_ALLOWED_OPERATIONS" form:"a comma-separated list of EWS operations and presets (@read, @send), or of +operations to add to the default" absent:"all known operations but those that reach beyond a mailbox" desc:"+AddDelegate lifts one operation that is refused by default; a plain list allows just the operations in it. @read stands for the operations that change nothing, @send for CreateItem, CreateAttachment and SendItem. Marking a message as read needs UpdateItem. An operation that no EWS schema has is refused unless it is named here."`
	// DefaultMailbox is the mailbox for requests that name no mailbox; "" means that no default is set.
	DefaultMailbox Address `env:"HMA_DEFAULT_MAILBOX" form:"a mail address" desc:"Mailbox to act as when a request names none. It must be on the allow-list when there is one."`
	// LoginUser says that the mailbox is taken from the client's Basic user name.
	LoginUser bool `env:"HMA_IMPERSONATE_LOGIN_USER" envDefault:"false" form:"true or false" desc:"When a request names no mailbox, act as the one in the client's Basic user name, ahead of HMA_DEFAULT_MAILBOX. A request without credentials is then asked for them; a name that is not a mail address (DOMAIN\\user) is refused. The password is checked only with HMA_CLIENT_USERS_FILE."`

	// Admin serves health, metrics and status; see [AdminAddress.Off].
	Admin AdminAddress `env:"HMA_ADMIN_LISTEN" envDefault:"127.0.0.1:8081" section:"Operation" form:"address:port (an IP address or localhost), or off" desc:"Health, metrics and the status page. Beyond loopback only /startup, /ready, /live and /metrics are served, which name no mailbox."`
	// AdminQuit says that POST /quit ends the process.
	AdminQuit bool `env:"HMA_ADMIN_QUIT" envDefault:"false" form:"true or false" desc:"Lets POST /quit on the admin address end the process, for jobs."`
	// LogLevel is the lowest level that is logged.
	LogLevel LogLevel `env:"HMA_LOG_LEVEL" envDefault:"info" form:"debug, info, warn or error" desc:"Least level that is logged."`
	// LogFormat is the format of log lines.
	LogFormat LogFormat `env:"HMA_LOG_FORMAT" envDefault:"auto" form:"auto, text or json" desc:"text is for people, json for programs; auto is text on a terminal and json otherwise."`
	// LogFile is "" when the log goes to standard error.
	LogFile Path `env:"HMA_LOG_FILE" form:"the path of a file in a folder that exists" absent:"standard error" desc:"Logs to this file, for Windows services. At 20 MiB it is renamed after the time and a new one begun; the five newest of the old ones are kept."`
	// ShutdownDelay is the time between "not ready" and the closing of the
	// listeners.
	ShutdownDelay time.Duration `env:"HMA_SHUTDOWN_DELAY" envDefault:"0s" min:"0s" form:"a duration such as 5s" desc:"How long to go on accepting requests after SIGTERM, while readiness already says no."`
	// ShutdownTimeout is how long requests in progress may take to finish.
	ShutdownTimeout time.Duration `env:"HMA_SHUTDOWN_TIMEOUT" envDefault:"30s" min:"0s" form:"a duration such as 30s" desc:"How long requests in progress may take to finish after that. Notification streams are ended at its beginning; their clients open them again."`

	// CAFile is "" when the system's roots suffice.
	CAFile Path `env:"HMA_CA_FILE" section:"Outgoing connections" form:"the path of a PEM file with at least one certificate" desc:"Further trusted roots for Exchange, Entra ID and Key Vault (private PKI)."`
	// CAs are the certificates in CAFile, which are trusted in addition to the system's roots; nil without CAFile.
	CAs Certificates `env:"-"`
	// TLSCompatibility is nil for Go's defaults.
	TLSCompatibility TLSCompatibility `env:"HMA_TLS_COMPATIBILITY" form:"a comma-separated list of rsa-key-exchange, cbc and classic-groups" absent:"Go's defaults" desc:"For an Exchange, or a device before it, that completes no TLS handshake otherwise. rsa-key-exchange offers cipher suites without forward secrecy, cbc those with AES-CBC and SHA-256, classic-groups leaves post-quantum key exchange out. Applies to connections to Exchange only."`
	// HTTPSProxy is a proxy for outgoing connections; see [Config.Proxy].
	HTTPSProxy ProxyURL `env:"HTTPS_PROXY" form:"the URL of an http, https or socks5 proxy, or host:port" desc:"Proxy for every outgoing connection. The lower-case name works too and is preferred, as elsewhere."`
	// NoProxy lists the destinations that HTTPSProxy is not used for; "" means none.
	NoProxy string `env:"NO_PROXY" form:"a comma-separated list of host names, domains, IP addresses and networks" desc:"Destinations to reach without HTTPS_PROXY. The lower-case name works too and is preferred."`

	// SecretExposed is set by the caller when a secret came from a file that
	// every user of the machine may read (see [ExposesSecret]).
	SecretExposed bool `env:"-"`

	secretVariables []string
	uncovered       bool // HostNames has a name that no certificate of TLSCertFiles is valid for
}

// FromVault reports whether the certificate comes from Key Vault.
func (c *Config) FromVault() bool { return c.VaultURI.URL != nil }

// FromStore reports whether the certificate comes from a Windows store.
func (c *Config) FromStore() bool { return c.CertStore != CertStore{} }

// Federated reports whether a federated credential replaces the certificate.
func (c *Config) Federated() bool { return c.AppAuth != AppCertificate }

// Limited reports whether there is a global allow-list.
func (c *Config) Limited() bool { return c.AllowedMailboxes != nil || c.AllowedGroups != nil }

// Allowed returns the patterns of all mailboxes that some client may open,
// without the members of groups: AllowedMailboxes, or the patterns of
// ClientUsers if every user has some. It is nil when some client may open every
// mailbox.
func (c *Config) Allowed() Mailboxes {
	switch {
	case c.AllowedMailboxes != nil:
		return c.AllowedMailboxes
	case c.AllowedGroups != nil:
		return Mailboxes{} // the members of groups are added later
	}
	return c.ClientUsers.Patterns()
}

// SecretVariables returns the names of the variables that held secrets, so that
// the caller can remove them from its environment with os.Unsetenv. (The owner
// of the process can still read the initial environment in /proc/PID/environ.
// With the _FILE variables, that environment contains no secrets.)
func (c *Config) SecretVariables() []string { return c.secretVariables }

// Access returns which mailboxes clients can open by this configuration.
func (c *Config) Access() Access {
	switch {
	case c.Allowed() != nil:
		return AccessListed
	case c.EveryMailbox:
		return AccessEvery
	}
	return AccessUnlimited
}

// NoListAlarm returns the text of the alarm about a missing allow-list. It returns
// "" if there is an allow-list, or if the configuration permits every mailbox
// explicitly. The text is one line, for logs, /ready, the status page and
// doctor.
func (c *Config) NoListAlarm() string {
	const meant = "set HMA_ALLOWED_MAILBOXES (to * where every mailbox is meant)"
	switch {
	case c.Access() != AccessUnlimited:
		return ""
	case c.ClientUsers != nil:
		return "no allow-list is set, and users in HMA_CLIENT_USERS_FILE have no mailbox patterns: they can open every mailbox of the organisation; " + meant + ", or patterns for each user"
	}
	return "no allow-list is set: clients can open every mailbox of the organisation; " + meant
}

// ListenAddresses returns the addresses of all listeners for clients and of the
// admin listener, as [net.Listen] takes them.
func (c *Config) ListenAddresses() []string {
	var addresses []string
	for _, l := range c.Listen {
		addresses = append(addresses, l.String())
	}
	if !c.Admin.Off() {
		addresses = append(addresses, c.Admin.String())
	}
	return addresses
}

// Proxy returns a function that returns the proxy for a request's URL. The
// proxy is nil for the destinations of NO_PROXY, for loopback addresses, for
// plain http (the platform's metadata service), and when no proxy is set. The
// URLs that it returns hold the proxy's password.
func (c *Config) Proxy() func(*url.URL) (*url.URL, error) {
	settings := httpproxy.Config{NoProxy: c.NoProxy}
	if c.HTTPSProxy.url != nil {
		settings.HTTPSProxy = c.HTTPSProxy.url.String()
	}
	return settings.ProxyFunc()
}
