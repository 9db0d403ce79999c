package proxy_test

import (
	"encoding/base64"
	"strings"

	"hmaproxy/proxy/policy"
)

// authoriseRules are the rules of the section Authorise of docs/design.md.
func authoriseRules() (rules []rule) {
	rules = append(rules, impersonationRules()...)
	rules = append(rules, blockRules()...)
	rules = append(rules, operationRules()...)
	rules = append(rules, matchRules()...)
	return append(rules, referenceRules()...)
}

// envelopeRefused sets the expected results for an envelope that cannot be checked.
// In enforce mode the request is refused. In audit mode and without an allow-list
// it is forwarded unchanged.
func envelopeRefused(r rule) rule {
	r.list = faulted("ErrorSchemaValidation", "envelope-refused")
	r.audit = forwarded(unchanged, audited("envelope-refused"))
	r.open = forwarded(unchanged, audited(""))
	return r
}

// impersonationRules are the rules about the form of ExchangeImpersonation.
func impersonationRules() (rules []rule) {
	edit := func(pairs ...string) request {
		block := strings.NewReplacer(pairs...).Replace(impersonation)
		if block == impersonation {
			panic("nothing was replaced: " + pairs[0])
		}
		return post(headed(block))
	}
	const address, sid = "<t:SmtpAddress>alice@contoso.com</t:SmtpAddress>", "<t:ConnectingSID>"
	const bob = "<t:SmtpAddress>bob@contoso.com</t:SmtpAddress>"
	const xsi = ` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:`
	for name, q := range map[string]request{
		"two ConnectingSIDs":                     edit("</t:ExchangeImpersonation>", "<t:ConnectingSID>"+address+"</t:ConnectingSID></t:ExchangeImpersonation>"),
		"two children":                           edit(address, address+bob),
		"the same child twice":                   edit(address, address+address),
		"two children of different forms":        edit(address, address+"<t:SID>S-1-5-21-1-2-3-500</t:SID>"),
		"no ConnectingSID":                       edit("<t:ConnectingSID>"+address+"</t:ConnectingSID>", ""),
		"empty ConnectingSID":                    edit(address, ""),
		"empty":                                  edit(sid+address+"</t:ConnectingSID></t:ExchangeImpersonation>", "</t:ExchangeImpersonation>"),
		"empty element":                          post(headed("<t:ExchangeImpersonation/>")),
		"white space alone":                      edit("alice@contoso.com", " \t\r\n"),
		"no text":                                edit("alice@contoso.com", ""),
		"comment in the text":                    edit("alice@contoso.com", "alice@<!-- x -->contoso.com"),
		"comment after the text":                 edit("alice@contoso.com", "alice@contoso.com<!-- x -->"),
		"CDATA":                                  edit("alice@contoso.com", "<![CDATA[alice@contoso.com]]>"),
		"element in the text":                    edit("alice@contoso.com", "alice@contoso.com<t:x/>"),
		"text in ConnectingSID":                  edit(sid, sid+"x"),
		"text in ExchangeImpersonation":          edit(sid, "x"+sid),
		"attribute of ExchangeImpersonation":     edit("<t:ExchangeImpersonation>", "<t:ExchangeImpersonation x='1'>"),
		"attribute of ConnectingSID":             edit(sid, "<t:ConnectingSID x='1'>"),
		"attribute of the child":                 edit("<t:SmtpAddress>", "<t:SmtpAddress x='1'>"),
		"xsi type of ExchangeImpersonation":      edit("<t:ExchangeImpersonation>", "<t:ExchangeImpersonation"+xsi+`type="t:ExchangeImpersonationType">`),
		"xsi type of ConnectingSID":              edit(sid, "<t:ConnectingSID"+xsi+`type="t:ConnectingSIDType">`),
		"xsi type of the child":                  edit("<t:SmtpAddress>", "<t:SmtpAddress"+xsi+`type="t:SID">`),
		"xsi nil":                                edit("<t:ExchangeImpersonation>", "<t:ExchangeImpersonation"+xsi+`nil="true">`),
		"xsi nil and nothing else":               post(headed("<t:ExchangeImpersonation" + xsi + `nil="true"/>`)),
		"unknown child":                          edit("SmtpAddress", "EmailAddress"),
		"child in another letter case":           edit("SmtpAddress", "smtpAddress"),
		"child of another namespace":             edit("<t:SmtpAddress>", "<m:SmtpAddress>", "</t:SmtpAddress>", "</m:SmtpAddress>"),
		"child of no namespace":                  edit("<t:SmtpAddress>", "<SmtpAddress>", "</t:SmtpAddress>", "</SmtpAddress>"),
		"ConnectingSID of another namespace":     edit("<t:ConnectingSID>", "<m:ConnectingSID>", "</t:ConnectingSID>", "</m:ConnectingSID>"),
		"unknown element for ConnectingSID":      edit("ConnectingSID", "ConnectingSid"),
		"of the messages namespace":              edit("<t:ExchangeImpersonation>", "<m:ExchangeImpersonation>", "</t:ExchangeImpersonation>", "</m:ExchangeImpersonation>"),
		"of another namespace":                   edit("<t:ExchangeImpersonation>", "<u:ExchangeImpersonation xmlns:u='urn:x'>", "</t:ExchangeImpersonation>", "</u:ExchangeImpersonation>"),
		"of no namespace":                        edit("<t:ExchangeImpersonation>", "<ExchangeImpersonation>", "</t:ExchangeImpersonation>", "</ExchangeImpersonation>"),
		"in another letter case":                 edit("ExchangeImpersonation", "exchangeImpersonation"),
		"twice":                                  post(headed(impersonation, impersonation)),
		"twice for two mailboxes":                post(headed(impersonation, strings.ReplaceAll(impersonation, "alice", "bob"))),
		"twice, the second of another namespace": post(headed(impersonation, "<u:ExchangeImpersonation xmlns:u='urn:x'/>")),
		"mustUnderstand that is not a boolean":   edit("<t:ExchangeImpersonation>", "<t:ExchangeImpersonation soap:mustUnderstand='yes'>"),
		"another actor":                          edit("<t:ExchangeImpersonation>", "<t:ExchangeImpersonation soap:actor='urn:other'>"),
		"a reference beyond ASCII":               edit("alice", "&#x430;lice"),
	} {
		rules = append(rules,
			envelopeRefused(rule{name: "Impersonation/" + name, request: q}),
			rule{name: "Impersonation/" + name + " is never replaced by the default mailbox", request: q,
				policy: func(c *policy.Config) { c.DefaultMailbox = "alice@contoso.com" },
				list:   faulted("ErrorSchemaValidation", "envelope-refused"), audit: forwarded(unchanged), open: forwarded(unchanged)},
		)
	}
	for name, q := range map[string]request{
		"plain":                         edit("alice@contoso.com", "alice@contoso.com\n"),
		"white space around":            edit("alice@contoso.com", " \t\r\n alice@contoso.com \r\n"),
		"character references":          edit("alice@contoso.com", "&#97;lice&#x40;contoso&#46;com"),
		"white space by reference":      edit("alice@contoso.com", "&#32;alice@contoso.com&#x9;"),
		"white space between":           edit(sid, "\r\n "+sid+" <!-- x --> "),
		"declarations":                  edit("<t:SmtpAddress>", "<t:SmtpAddress xmlns:x='urn:x' xmlns='urn:y'>"),
		"mustUnderstand 1":              edit("<t:ExchangeImpersonation>", "<t:ExchangeImpersonation soap:mustUnderstand='1'>"),
		"mustUnderstand 0":              edit("<t:ExchangeImpersonation>", "<t:ExchangeImpersonation soap:mustUnderstand='0'>"),
		"mustUnderstand on all of them": edit("<t:ExchangeImpersonation>", "<t:ExchangeImpersonation soap:mustUnderstand='1'>", sid, "<t:ConnectingSID soap:mustUnderstand='1'>", "<t:SmtpAddress>", "<t:SmtpAddress soap:mustUnderstand='0'>"),
		"empty actor":                   edit("<t:ExchangeImpersonation>", "<t:ExchangeImpersonation soap:actor=''>"),
		"actor next":                    edit("<t:ExchangeImpersonation>", "<t:ExchangeImpersonation soap:actor='http://schemas.xmlsoap.org/soap/actor/next'>"),
	} {
		rules = append(rules, rule{name: "Impersonation/" + name + " is accepted", request: q,
			list: forwarded(bodyKept, impersonates("SmtpAddress alice@contoso.com")), audit: forwarded(bodyKept, audited(""), impersonates("SmtpAddress alice@contoso.com"))})
	}
	return append(rules,
		rule{name: "Impersonation/no mailbox named", request: post(headed()),
			list:  faulted("ErrorInvalidExchangeImpersonationHeaderData", "no-mailbox"),
			audit: forwarded(unchanged, audited("no-mailbox")), open: forwarded(unchanged, audited(""))},
		rule{name: "Impersonation/no mailbox named in a long request", request: post(envelope("", createItem(400<<10))),
			list: faulted("ErrorInvalidExchangeImpersonationHeaderData", "no-mailbox"), audit: forwarded(unchanged, audited("no-mailbox")), open: forwarded(unchanged)},
		rule{name: "Impersonation/off the list in a long request", request: post(envelope("bob@contoso.com", createItem(400<<10))),
			list: faulted("ErrorImpersonateUserDenied", "mailbox-not-allowed"), audit: forwarded(bodyKept, audited("mailbox-not-allowed")), open: forwarded(unchanged)},
	)
}

// blockRules are the rules about header blocks other than
// ExchangeImpersonation.
func blockRules() (rules []rule) {
	const nextActor = ` soap:actor="http://schemas.xmlsoap.org/soap/actor/next"`
	const nil1 = ` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"`
	for name, block := range map[string]string{
		"SerializedSecurityContext":              "<t:SerializedSecurityContext><t:UserSid>S-1-5-18</t:UserSid></t:SerializedSecurityContext>",
		"OpenAsAdminOrSystemService":             `<t:OpenAsAdminOrSystemService LogonType="Admin"/>`,
		"ManagementRole":                         "<t:ManagementRole><t:UserRoles><t:Role>MailboxSearch</t:Role></t:UserRoles></t:ManagementRole>",
		"ProxySecurityContext":                   "<t:ProxySecurityContext>x</t:ProxySecurityContext>",
		"ProxyRequestTypeHeader":                 "<t:ProxyRequestTypeHeader>x</t:ProxyRequestTypeHeader>",
		"SharingSecurity":                        "<t:SharingSecurity>x</t:SharingSecurity>",
		"unknown block of the types namespace":   "<t:Unknown/>",
		"known block in another letter case":     `<t:requestServerVersion Version="Exchange2013"/>`,
		"block of the messages namespace":        `<m:RequestServerVersion Version="Exchange2013"/>`,
		"unknown block of the messages ns":       "<m:Unknown/>",
		"WS-Security that must be understood":    `<w:Security xmlns:w="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd" soap:mustUnderstand="1"/>`,
		"WS-Addressing that must be understood":  `<a:To xmlns:a="http://www.w3.org/2005/08/addressing" soap:mustUnderstand="1">x</a:To>`,
		"foreign block that must be understood":  `<u:x xmlns:u="urn:x" soap:mustUnderstand="1"/>`,
		"foreign block, mustUnderstand true":     `<u:x xmlns:u="urn:x" soap:mustUnderstand="true"/>`,
		"foreign block, mustUnderstand odd":      `<u:x xmlns:u="urn:x" soap:mustUnderstand="2"/>`,
		"foreign block twice":                    `<u:x xmlns:u="urn:x"/><u:x xmlns:u="urn:x"/>`,
		"foreign block for another actor":        `<u:x xmlns:u="urn:x" soap:actor="urn:other"/>`,
		"known block for another actor":          `<t:RequestServerVersion Version="Exchange2013" soap:actor="urn:other"/>`,
		"RequestServerVersion twice":             `<t:RequestServerVersion Version="Exchange2013"/><t:RequestServerVersion Version="Exchange2013"/>`,
		"RequestServerVersion without a version": `<t:RequestServerVersion/>`,
		"RequestServerVersion with a child":      `<t:RequestServerVersion Version="Exchange2013"><t:x/></t:RequestServerVersion>`,
		"RequestServerVersion with markup":       `<t:RequestServerVersion Version="a&quot;/>"/>`,
		"MailboxCulture with markup":             "<t:MailboxCulture>&lt;x/&gt;</t:MailboxCulture>",
		"MailboxCulture twice":                   "<t:MailboxCulture>de-DE</t:MailboxCulture><t:MailboxCulture>de-DE</t:MailboxCulture>",
		"DateTimePrecision of another value":     "<t:DateTimePrecision>Hours</t:DateTimePrecision>",
		"unknown attribute of a known block":     `<t:MailboxCulture x="1">de-DE</t:MailboxCulture>`,
	} {
		rules = append(rules,
			envelopeRefused(rule{name: "Block/" + name, request: post(headed(impersonation, block))}),
			envelopeRefused(rule{name: "Block/" + name + ", in front", request: post(headed(block, impersonation))}),
		)
	}
	for name, block := range map[string]string{
		"foreign block":                     `<u:x xmlns:u="urn:x" y="1">z</u:x>`,
		"foreign block, mustUnderstand 0":   `<u:x xmlns:u="urn:x" soap:mustUnderstand="0"/>`,
		"block of no namespace":             `<x/>`,
		"WS-Security":                       `<w:Security xmlns:w="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"><w:UsernameToken/></w:Security>`,
		"WS-Addressing":                     `<a:To xmlns:a="http://www.w3.org/2005/08/addressing">https://mail.contoso.com/</a:To><a:Action xmlns:a="http://www.w3.org/2005/08/addressing">x</a:Action>`,
		"WS-Addressing of 2004":             `<a:To xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing">x</a:To>`,
		"nil RequestServerVersion":          `<t:RequestServerVersion` + nil1 + `/>`,
		"nil MailboxCulture":                `<t:MailboxCulture` + nil1 + `/>`,
		"nil SerializedSecurityContext":     "",
		"foreign block for actor next":      `<u:x xmlns:u="urn:x"` + nextActor + `/>`,
		"WS-Addressing block for the actor": `<a:To xmlns:a="http://www.w3.org/2005/08/addressing" soap:actor="">x</a:To>`,
	} {
		if block != "" {
			rules = append(rules, rule{name: "Block/" + name + " is dropped", request: post(headed(impersonation, block)),
				list: forwarded(bodyKept, headerBlocks("ExchangeImpersonation")), audit: forwarded(bodyKept, audited("")), open: forwarded(unchanged)})
		}
	}
	for name, block := range map[string]string{
		"RequestServerVersion": `<t:RequestServerVersion Version="Exchange2013_SP1"/>`,
		"MailboxCulture":       "<t:MailboxCulture>de-DE</t:MailboxCulture>",
		"DateTimePrecision":    "<t:DateTimePrecision>Milliseconds</t:DateTimePrecision>",
		"TimeZoneContext":      `<t:TimeZoneContext><t:TimeZoneDefinition Id="W. Europe Standard Time"/></t:TimeZoneContext>`,
	} {
		for suffix, q := range map[string]string{
			"":                       block,
			" with mustUnderstand":   strings.Replace(block, name, name+` soap:mustUnderstand="1"`, 1),
			" for actor next":        strings.Replace(block, name, name+nextActor, 1),
			" with an empty actor":   strings.Replace(block, name, name+` soap:actor=""`, 1),
			" with white space":      strings.Replace(block, name, name+"\r\n\t", 1),
			" with its own prefixes": strings.Replace(strings.NewReplacer("<t:", "<q:", "</t:", "</q:").Replace(block), name, name+` xmlns:q="`+types+`"`, 1),
		} {
			rules = append(rules, rule{name: "Block/" + name + suffix + " is sent", request: post(headed(q, impersonation)),
				list: forwarded(bodyKept, headerBlocks(name, "ExchangeImpersonation"), impersonates("SmtpAddress alice@contoso.com")), audit: forwarded(audited("")), open: forwarded(unchanged)})
		}
	}
	return rules
}

// operationRules are the rules about the operations that are refused by default,
// about other operations, and about lists of operations.
func operationRules() (rules []rule) {
	asks := func(operation string) request { return post(enveloped(impersonation, operation)) }
	refused := func(r rule) rule {
		r.list = faulted("ErrorAccessDenied", "operation-not-allowed")
		r.audit = forwarded(bodyKept, audited("operation-not-allowed"), impersonates("SmtpAddress alice@contoso.com"))
		r.open = forwarded(unchanged, audited(""))
		return r
	}
	for _, name := range strings.Fields(`SearchMailboxes GetSearchableMailboxes SetHoldOnMailboxes GetHoldOnMailboxes GetDiscoverySearchConfiguration
		GetNonIndexableItemDetails GetNonIndexableItemStatistics GetNonIndexableItemAnything StartSearchSession ExecuteSearch GetSearchSuggestions
		FindMailboxStatisticsByKeywords ExecuteDiagnosticMethod FindMessageTrackingReport FindMessageTrackingReportRequest GetMessageTrackingReport
		GetMessageTrackingReportRequest SetTeamMailbox InstallApp UninstallApp DisableApp SetClientExtension GetClientAccessToken AddDelegate UpdateDelegate
		RemoveDelegate ADDDELEGATE GetUMCallDataRecords UpdateMailboxAssociation AddAggregatedAccount SetAggregatedAccount GetAggregatedAccount
		RemoveAggregatedAccount CreateUnifiedMailbox SetOMEConfiguration SetEncryptionConfiguration SubscribeToPushNotification
		OperationOfTheFuture`) {
		rules = append(rules, refused(rule{name: "Operation/" + name, request: asks("<m:" + name + "><t:x/></m:" + name + ">")}))
	}
	for _, name := range strings.Fields(`GetFolder FindItem GetItem CreateItem UpdateItem DeleteItem SendItem MoveItem CopyItem GetAttachment CreateAttachment
		SyncFolderItems SyncFolderHierarchy FindFolder ResolveNames ExpandDL GetEvents GetStreamingEvents Unsubscribe GetUserAvailabilityRequest GetUserOofSettingsRequest
		GetServiceConfiguration GetInboxRules UpdateInboxRules GetDelegate ConvertId ExportItems UploadItems GetServerTimeZones GetRoomLists GetRooms
		GetMailTips FindPeople GetPersona FindConversation MarkAsJunk ArchiveItem GetUserPhoto`) {
		rules = append(rules, rule{name: "Operation/" + name, request: asks("<m:" + name + "/>"), all: forwarded(bodyKept, audited(""))})
	}
	configured := func(text string) func(*policy.Config) {
		operations, err := policy.ParseOperations(text)
		return func(c *policy.Config) {
			if err != nil {
				panic(err)
			}
			if c.Allowed != nil {
				c.Operations = operations
			}
		}
	}
	const pull = `<m:Subscribe><m:PullSubscriptionRequest><t:FolderIds/></m:PullSubscriptionRequest></m:Subscribe>`
	streaming := strings.ReplaceAll(pull, "Pull", "Streaming")
	push := strings.ReplaceAll(pull, "Pull", "Push")
	allowed := func(r rule) rule { r.list, r.audit = forwarded(bodyKept), forwarded(audited("")); return r }
	return append(rules,
		rule{name: "Operation/Subscribe for pull", request: asks(pull), all: forwarded(bodyKept, audited(""))},
		rule{name: "Operation/Subscribe for streaming", request: asks(streaming), all: forwarded(bodyKept, audited(""))},
		refused(rule{name: "Operation/Subscribe for push", request: asks(push)}),
		refused(rule{name: "Operation/Subscribe for push, comments in front", request: asks(strings.Replace(push, "<m:Push", "<!-- x --> <m:Push", 1))}),
		refused(rule{name: "Operation/Subscribe for push in another namespace", request: asks(strings.NewReplacer("<m:Push", "<t:Push", "</m:Push", "</t:Push").Replace(push))}),
		envelopeRefused(rule{name: "Operation/Subscribe for pull and push", request: asks(strings.Replace(push, "<m:Push", "<m:PullSubscriptionRequest/><m:Push", 1))}),
		rule{name: "Operation/Subscribe for push in a long request", request: asks(strings.Replace(push, "<t:FolderIds/>", "<t:FolderIds>"+strings.Repeat(" ", 400<<10)+"</t:FolderIds>", 1)),
			list: faulted("ErrorAccessDenied", "operation-not-allowed")},
		allowed(rule{name: "Operation/lifted", request: asks("<m:AddDelegate/>"), policy: configured("+AddDelegate")}),
		refused(rule{name: "Operation/another is lifted", request: asks("<m:RemoveDelegate/>"), policy: configured("+AddDelegate")}),
		allowed(rule{name: "Operation/lifted, and what is allowed by default", request: asks(getFolder), policy: configured("+AddDelegate")}),
		allowed(rule{name: "Operation/push is lifted", request: asks(push), policy: configured("+Subscribe:Push")}),
		allowed(rule{name: "Operation/on a plain list", request: asks(getFolder), policy: configured("GetFolder, FindMessageTrackingReport")}),
		allowed(rule{name: "Operation/on a plain list with Request", request: asks("<m:FindMessageTrackingReportRequest/>"), policy: configured("GetFolder, FindMessageTrackingReport")}),
		refused(rule{name: "Operation/not on a plain list", request: asks("<m:FindItem/>"), policy: configured("GetFolder")}),
		refused(rule{name: "Operation/push is not on a list with Subscribe", request: asks(push), policy: configured("Subscribe")}),
		allowed(rule{name: "Operation/pull is on a list with Subscribe", request: asks(pull), policy: configured("Subscribe")}),
		rule{name: "Operation/comes before the mailbox", request: post(enveloped(strings.ReplaceAll(impersonation, "alice", "bob"), "<m:AddDelegate/>")), list: faulted("ErrorAccessDenied", "operation-not-allowed")},
	)
}

// matchRules are the rules about the comparison of identities with the entries of
// the allow-list.
func matchRules() (rules []rule) {
	as := func(form, name string) request {
		return post(headed(strings.Replace(impersonation, "<t:SmtpAddress>alice@contoso.com</t:SmtpAddress>", "<t:"+form+">"+name+"</t:"+form+">", 1)))
	}
	for _, c := range []struct{ form, name, sent string }{
		{"SmtpAddress", "alice@contoso.com", "SmtpAddress alice@contoso.com"},
		{"SmtpAddress", "ALICE@CONTOSO.COM", "SmtpAddress alice@contoso.com"},
		{"PrimarySmtpAddress", "alice@contoso.com", "PrimarySmtpAddress alice@contoso.com"},
		{"PrincipalName", "dora@contoso.com", "PrincipalName dora@contoso.com"},
		{"PrincipalName", "Dora@Contoso.com", "PrincipalName dora@contoso.com"},
		{"SID", "S-1-5-21-1-2-3-500", "SID S-1-5-21-1-2-3-500"},
		{"SID", "s-1-5-21-1-2-3-500", "SID S-1-5-21-1-2-3-500"},
		{"PrimarySmtpAddress", "Room1@Rooms.Contoso.com", "PrimarySmtpAddress room1@rooms.contoso.com"},
	} {
		rules = append(rules, rule{name: "Match/" + c.form + " " + c.name, request: as(c.form, c.name),
			list: forwarded(bodyKept, impersonates(c.sent)), audit: forwarded(impersonates(c.sent), audited("")), open: forwarded(unchanged)})
	}
	for _, c := range []struct{ form, name string }{
		{"SmtpAddress", "bob@contoso.com"}, {"SmtpAddress", "alice@contoso.org"}, {"SmtpAddress", "xalice@contoso.com"}, {"SmtpAddress", "alice@contoso.com.evil.example"},
		{"SmtpAddress", "alice+tag@contoso.com"}, {"SmtpAddress", "alice@sub.contoso.com"},
		{"SmtpAddress", "dora@contoso.com"}, {"PrimarySmtpAddress", "dora@contoso.com"}, {"SmtpAddress", "S-1-5-21-1-2-3-500"},
		{"PrincipalName", "alice@contoso.com"}, {"PrincipalName", "room1@rooms.contoso.com"}, {"PrincipalName", "bob@contoso.com"},
		{"SID", "S-1-5-21-1-2-3-501"}, {"SID", "S-1-5-21-1-2-3"}, {"SID", "alice@contoso.com"}, {"SID", "S-1-5-21-1-2-3-0500"},
		{"SmtpAddress", "room1@sub.rooms.contoso.com"}, {"SmtpAddress", "room1@xrooms.contoso.com"}, {"SmtpAddress", "@rooms.contoso.com"}, {"SmtpAddress", "*@rooms.contoso.com"},
		{"SmtpAddress", "a&amp;b@rooms.contoso.com"}, {"SmtpAddress", "a/b@rooms.contoso.com"}, {"SmtpAddress", "a=b@rooms.contoso.com"}, {"SmtpAddress", "a{b@rooms.contoso.com"},
		{"SmtpAddress", "12345678-1234-1234-1234-123456789abc@rooms.contoso.com"}, {"SmtpAddress", "123456781234123412341234567890ab@rooms.contoso.com"},
		{"SmtpAddress", "12345678-1234-1234-1234-123456789abc+x@rooms.contoso.com"}, {"SmtpAddress", "IMCEAEX-_o=x@rooms.contoso.com"}, {"SmtpAddress", "imceax@rooms.contoso.com"},
		{"SmtpAddress", "x-12345678-1234-1234-1234-123456789abc@rooms.contoso.com"},
		{"SmtpAddress", "FederatedEmail.4c1f4d8b-8179-4148-93bf-00a95fa1e042@rooms.contoso.com"}, {"SmtpAddress", "HealthMailbox0659e34@rooms.contoso.com"},
		{"SmtpAddress", `CONTOSO\alice`}, {"SmtpAddress", "alice"}, {"SmtpAddress", "alice@contoso.com;bob@contoso.com"}, {"SmtpAddress", "alice @contoso.com"},
		{"SmtpAddress", "&quot;alice&quot;@contoso.com"}, {"SmtpAddress", "Alice &lt;alice@contoso.com&gt;"}, {"SmtpAddress", "alice@contoso.com."}, {"SmtpAddress", "SMTP:alice@contoso.com"},
	} {
		rules = append(rules, rule{name: "Match/" + c.form + " " + c.name + " is refused", request: as(c.form, c.name),
			list:  faulted("ErrorImpersonateUserDenied", "mailbox-not-allowed"),
			audit: forwarded(bodyKept, audited("mailbox-not-allowed")), open: forwarded(unchanged)})
	}
	for name, address := range map[string]string{
		"long s for s":     "alice@conto\u017fo.com",
		"Kelvin sign":      "\u212aim@contoso.com",
		"full-width at":    "alice\uff20contoso.com",
		"no-break space":   "\u00a0alice@contoso.com",
		"Cyrillic a":       "\u0430lice@contoso.com",
		"next line around": "alice@contoso.com\u0085",
	} {
		rules = append(rules, rule{name: "Match/" + name + " is refused", request: as("SmtpAddress", address),
			list: want{status: 500, reason: anyReason, code: anyCode, conn: "kept"}, open: forwarded(unchanged)})
	}
	return append(rules,
		rule{name: "Match/wildcard leaves as PrimarySmtpAddress", request: as("SmtpAddress", "Room1@Rooms.contoso.com"), list: forwarded(impersonates("PrimarySmtpAddress room1@rooms.contoso.com"))},
		rule{name: "Match/ordinary local part of a wildcard", request: as("PrimarySmtpAddress", "a.B_c'd-e+f9@rooms.contoso.com"), audit: forwarded(audited(""), impersonates("PrimarySmtpAddress a.b_c'd-e+f9@rooms.contoso.com"))},
		rule{name: "Match/default mailbox of another spelling", request: post(headed()), policy: func(c *policy.Config) { c.DefaultMailbox = "ALICE@contoso.com" },
			list: forwarded(bodyKept, impersonates("SmtpAddress alice@contoso.com")), audit: forwarded(audited("")), open: forwarded(bodyKept, impersonates("SmtpAddress ALICE@contoso.com"))},
	)
}

// referenceRules are the rules about references to mailboxes in the Body, which the
// proxy checks if the scope is "targets".
func referenceRules() (rules []rule) {
	targets := func(c *policy.Config) { c.Targets = c.Allowed != nil }
	const oof = "<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>MAILBOX</t:Address></t:Mailbox></m:GetUserOofSettingsRequest>"
	folder := func(id string) string {
		return "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds>" + id + "</m:FolderIds></m:GetFolder>"
	}
	for name, operation := range map[string]string{
		"DistinguishedFolderId": folder(`<t:DistinguishedFolderId Id="inbox"><t:Mailbox><t:EmailAddress>MAILBOX</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId>`),
		"MailboxData":           "<m:GetUserAvailabilityRequest><m:MailboxDataArray><t:MailboxData><t:Email><t:Address>MAILBOX</t:Address></t:Email></t:MailboxData></m:MailboxDataArray></m:GetUserAvailabilityRequest>",
		"OOF settings":          oof,
		"MailboxSmtpAddress":    "<m:GetInboxRules><m:MailboxSmtpAddress>MAILBOX</m:MailboxSmtpAddress></m:GetInboxRules>",
		"GetUserPhoto":          "<m:GetUserPhoto><m:Email>MAILBOX</m:Email><m:SizeRequested>HR48x48</m:SizeRequested></m:GetUserPhoto>",
		"From":                  "<m:CreateItem><m:Items><t:Message><t:From><t:Mailbox><t:EmailAddress>MAILBOX</t:EmailAddress></t:Mailbox></t:From></t:Message></m:Items></m:CreateItem>",
		"Sender":                "<m:CreateItem><m:Items><t:Message><t:Sender><t:Mailbox><t:EmailAddress>MAILBOX</t:EmailAddress></t:Mailbox></t:Sender></t:Message></m:Items></m:CreateItem>",
		"sender property":       `<m:CreateItem><m:Items><t:Message><t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="0x0065" PropertyType="String"/><t:Value>MAILBOX</t:Value></t:ExtendedProperty></t:Message></m:Items></m:CreateItem>`,
		"SendingAs":             "<m:GetMailTips><m:SendingAs><t:EmailAddress>MAILBOX</t:EmailAddress></m:SendingAs></m:GetMailTips>",
	} {
		request := func(mailbox string) request {
			return post(enveloped(impersonation, strings.ReplaceAll(operation, "MAILBOX", mailbox)))
		}
		rules = append(rules,
			rule{name: "Reference/" + name + " on the list", policy: targets, request: request("Alice@contoso.com"), all: forwarded(bodyKept, audited(""))},
			rule{name: "Reference/" + name + " off the list", policy: targets, request: request("bob@contoso.com"),
				list: faulted("ErrorAccessDenied", "reference-not-allowed"), audit: forwarded(bodyKept, audited("reference-not-allowed")), open: forwarded(unchanged, audited(""))},
			rule{name: "Reference/" + name + " off the list in the default scope", request: request("bob@contoso.com"), all: forwarded(bodyKept, audited(""))},
		)
	}
	const start, end = `<m:CreateItem MessageDisposition="SaveOnly"><m:Items><t:Message><t:MimeContent>`, "</t:MimeContent></t:Message></m:Items></m:CreateItem>"
	mime := func(from string) request {
		text := base64.StdEncoding.EncodeToString([]byte("Subject: x\r\nFrom: " + from + "\r\nTo: bob@contoso.com\r\n\r\ntext\r\n"))
		return post(enveloped(impersonation, start+text+end))
	}
	rules = append(rules,
		rule{name: "Reference/From of a MIME message on the list", policy: targets, request: mime(`"Alice" <Alice@contoso.com>`), all: forwarded(bodyKept, audited(""))},
		rule{name: "Reference/From of a MIME message off the list", policy: targets, request: mime("<bob@contoso.com>"),
			list: faulted("ErrorAccessDenied", "reference-not-allowed"), audit: forwarded(bodyKept, audited("reference-not-allowed")), open: forwarded(unchanged, audited(""))},
		rule{name: "Reference/From of a MIME message that cannot be read", policy: targets, request: mime("bob"), list: faulted("ErrorAccessDenied", "reference-not-allowed")},
		rule{name: "Reference/From of a MIME message off the list in the default scope", request: mime("<bob@contoso.com>"), all: forwarded(bodyKept, audited(""))},
	)
	recipients := "<m:CreateItem><m:Items><t:Message><t:ToRecipients><t:Mailbox><t:EmailAddress>bob@contoso.com</t:EmailAddress></t:Mailbox></t:ToRecipients></t:Message>" +
		"<t:CalendarItem><t:RequiredAttendees><t:Attendee><t:Mailbox><t:EmailAddress>bob@contoso.com</t:EmailAddress></t:Mailbox></t:Attendee></t:RequiredAttendees></t:CalendarItem></m:Items></m:CreateItem>"
	late := strings.Replace(createItem(400<<10), "</t:Message>", "<t:From><t:Mailbox><t:EmailAddress>bob@contoso.com</t:EmailAddress></t:Mailbox></t:From></t:Message>", 1)
	return append(rules,
		rule{name: "Reference/recipients and attendees", policy: targets, request: post(enveloped(impersonation, recipients)), all: forwarded(bodyKept, audited(""))},
		rule{name: "Reference/late in a long request", policy: targets, request: post(enveloped(impersonation, late)),
			list: faulted("ErrorAccessDenied", "reference-not-allowed").and(notSent("bob@")), audit: forwarded(bodyKept, audited("reference-not-allowed"))},
		rule{name: "Reference/with a comment inside", policy: targets, request: post(enveloped(impersonation, strings.ReplaceAll(oof, "MAILBOX", "alice@<!-- x -->contoso.com"))),
			list: faulted("ErrorAccessDenied", "reference-not-allowed")},
		rule{name: "Reference/empty", policy: targets, request: post(enveloped(impersonation, strings.ReplaceAll(oof, "MAILBOX", ""))), list: faulted("ErrorAccessDenied", "reference-not-allowed")},
	)
}
