package soap

import "strings"

// harmless contains places in requests that name a mailbox or seem to name one,
// although the request does not act on that mailbox. The keys have the form that
// placeOf returns. The values are the reasons.
var harmless = func() map[string]string {
	places := map[string]string{}
	for reason, list := range harmlessByReason {
		for _, place := range strings.Split(strings.TrimSpace(list), "\n") {
			places[strings.TrimSpace(place)] = reason
		}
	}
	return places
}()

var harmlessByReason = map[string]string{
	"a recipient or an attendee": `
		m:FindAvailableMeetingTimes/m:Attendees/SmtpAddress
		m:GetSharingMetadata/m:Recipients/SmtpAddress
		m:Recipients/t:Mailbox/EmailAddress
		m:Recipients/t:Mailbox/PrimaryEmailAddress
		t:Attendee/t:Mailbox/EmailAddress
		t:Attendee/t:Mailbox/PrimaryEmailAddress
		t:BccRecipients/t:Mailbox/EmailAddress
		t:BccRecipients/t:Mailbox/PrimaryEmailAddress
		t:CcRecipients/t:Mailbox/EmailAddress
		t:CcRecipients/t:Mailbox/PrimaryEmailAddress
		t:ForwardAsAttachmentToRecipients/t:Address/EmailAddress
		t:ForwardAsAttachmentToRecipients/t:Address/PrimaryEmailAddress
		t:ForwardToRecipients/t:Address/EmailAddress
		t:ForwardToRecipients/t:Address/PrimaryEmailAddress
		t:MeetingTimeCandidatesConstraintItem Email
		t:RedirectToRecipients/t:Address/EmailAddress
		t:RedirectToRecipients/t:Address/PrimaryEmailAddress
		t:ReplyTo/t:Mailbox/EmailAddress
		t:ReplyTo/t:Mailbox/PrimaryEmailAddress
		t:SendSMSAlertToRecipients/t:Address/EmailAddress
		t:SendSMSAlertToRecipients/t:Address/PrimaryEmailAddress
		t:ToRecipients/t:Mailbox/EmailAddress
		t:ToRecipients/t:Mailbox/PrimaryEmailAddress`,
	"looked up in the directory, as the user sees it": `
		m:ExpandDL/m:Mailbox/EmailAddress
		m:ExpandDL/m:Mailbox/PrimaryEmailAddress
		m:GetPersona/m:EmailAddress/EmailAddress
		m:GetPersona/m:EmailAddress/PrimaryEmailAddress
		m:GetRooms/m:RoomList/EmailAddress
		m:GetRooms/m:RoomList/PrimaryEmailAddress
		m:AddDistributionGroupToImListType SmtpAddress
		t:AddressListIdType @Id`,
	"what a rule or a filter looks for": `
		m:CreateOrUpdateFocusedOtherOverrideRequestType SenderDisplayName
		m:CreateOrUpdateFocusedOtherOverrideRequestType SenderSmtpAddress
		t:FromAddresses/t:Address/EmailAddress
		t:FromAddresses/t:Address/PrimaryEmailAddress
		t:SentToAddresses/t:Address/EmailAddress
		t:SentToAddresses/t:Address/PrimaryEmailAddress`,
	"a user who gets a right on the mailbox": `
		m:UserIds/t:UserId/ExternalUserIdentity
		m:UserIds/t:UserId/PrimarySmtpAddress
		m:UserIds/t:UserId/SID
		t:CalendarPermission/t:UserId/ExternalUserIdentity
		t:CalendarPermission/t:UserId/PrimarySmtpAddress
		t:CalendarPermission/t:UserId/SID
		t:Permission/t:UserId/ExternalUserIdentity
		t:Permission/t:UserId/PrimarySmtpAddress
		t:Permission/t:UserId/SID`,
	"content of a contact or a distribution list": `
		m:AddNewImContactToGroupType ImAddress
		m:AddNewTelUriContactToGroupType ImContactSipUriAddress
		m:AddNewTelUriContactToGroupType TelUriAddress
		t:AbchEmailAddressDictionaryEntryType Address
		t:AbchPersonContactHandle AccountName
		t:AbchPersonItemType ExchangePersonIdGuid
		t:AbchPersonItemType PersonId
		t:ContactItemType AbchContactId
		t:ContactItemType AccountName
		t:ContactItemType ConversationGuid
		t:ContactItemType PersonId
		t:ContactItemType UserTileHash
		t:ContactUrlDictionaryEntryType Address
		t:ContactsFolderType AccountName
		t:DirectReports/t:Mailbox/EmailAddress
		t:DirectReports/t:Mailbox/PrimaryEmailAddress
		t:EmailAddressDictionaryEntryType #text
		t:ImAddressDictionaryEntryType #text
		t:ManagerMailbox/t:Mailbox/EmailAddress
		t:ManagerMailbox/t:Mailbox/PrimaryEmailAddress
		t:Member/t:Mailbox/EmailAddress
		t:Member/t:Mailbox/PrimaryEmailAddress
		t:NetworkItemType AccountName
		t:NetworkItemType SourceEntryID
		t:NetworkItemType UserEmail
		t:NetworkItemType UserTileUrl
		t:PersonaPostalAddressType FormattedAddress
		t:RoleMemberItemType MemberId`,
	"content of an item": `
		t:AddressEntityType Address
		t:AppliedHashtag/t:CreatedBy/EmailAddress
		t:AppliedHashtag/t:CreatedBy/PrimaryEmailAddress
		t:AppliedHashtagType Id
		t:ArrayOfAddressesType Address
		t:ArrayOfExtractedEmailAddresses EmailAddress
		t:ContentActivity Id
		t:EmailAddressEntityType EmailAddress
		t:EmailUserType UserId
		t:FileItemType Sender
		t:InboxReminderType Id
		t:ItemType StoreEntryId
		t:Like/t:CreatedBy/EmailAddress
		t:Like/t:CreatedBy/PrimaryEmailAddress
		t:LikeType Id
		t:Mentions/t:Mailbox/EmailAddress
		t:Mentions/t:Mailbox/PrimaryEmailAddress
		t:MentionAction/t:CreatedBy/EmailAddress
		t:MentionAction/t:CreatedBy/PrimaryEmailAddress
		t:MentionAction/t:Mentioned/EmailAddress
		t:MentionAction/t:Mentioned/PrimaryEmailAddress
		t:MentionActionType Id
		t:MessageType/t:MailboxGuids MailboxGuid
		t:ParcelDeliveryEntityType AddressCountry
		t:ParcelDeliveryEntityType AddressLocality
		t:ParcelDeliveryEntityType AddressName
		t:ParcelDeliveryEntityType AddressRegion
		t:ParcelDeliveryEntityType StreetAddress
		t:ParticipantActivity Id
		t:RightsManagementLicenseDataType ContentOwner
		t:TaskType Delegator
		t:TaskType Owner`,
	"an id of something other than what is in a mailbox": `
		m:DeleteFocusedOtherOverrideRequestType Id
		m:RegisterConsentType Id
		t:ArrayOfGroupIdType GroupId
		t:ArrayOfTransitionsType @Id
		t:ManagedFolderInformationType ManagedFolderId
		t:MeetingInstanceType Id
		t:MeetingSpaceType Id
		t:NonEmptyArrayOfTimeZoneIdType Id
		t:PeriodType @Id
		t:PhoneCallIdType @Id
		t:TimeZoneDefinitionType @Id`,
	"a public folder, which belongs to no mailbox of a list": `
		t:AlternatePublicFolderIdType @FolderId
		t:AlternatePublicFolderItemIdType @ItemId`,
	"the id of the sharer's folder; Exchange accepts it with a sharing invitation only": `
		m:GetSharingFolderType SharedFolderId`,
	"an id of a search result, which stands in responses; the type of a request has it by inheritance": `
		t:SearchResultConversationIdType OutlookConversationId
		t:SearchResultItemIdType EntryId
		t:SearchResultItemIdType OutlookItemId`,
}
