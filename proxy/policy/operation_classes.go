package policy

// The operations of Exchange Web Services by class. Most come from Services.wsdl
// and from the schema. Some are only in Microsoft's reference or in Exchange's
// own description. Every known operation is in one class. Names of elements that
// end in "Request" are listed without that ending.
const (
	// readOperations change nothing in a mailbox and use no rights beyond those
	// of the impersonated user. They are the preset @read.
	readOperations = `
ConvertId ExpandDL FindAvailableMeetingTimes FindConversation FindFolder FindItem
FindMeetingSpaceByJoinUrl FindMeetingTimeCandidates FindPeople FindTags
GetAppManifests GetAppMarketplaceUrl GetAttachment GetConversationItems
GetDelegate GetEvents GetFocusedOtherOverrides GetFolder GetImItemList GetImItems
GetInboxRules GetItem GetLastPrivateCatalogUpdate GetMailTips GetMeetingInstance
GetMeetingSpace GetPasswordExpirationDate GetPersona GetPhoneCallInformation
GetPrivateCatalogAddIns GetReminders GetRoomLists GetRooms GetServerTimeZones
GetServiceConfiguration GetSharingFolder GetSpecificUserConfiguration
GetStreamingEvents GetUserAvailability GetUserConfiguration GetUserOofSettings
GetUserPhoto GetUserRetentionPolicyTags ResolveNames Subscribe
SyncFolderHierarchy SyncFolderItems Unsubscribe`

	// sendOperations compose and send a message. They are the preset @send.
	// CreateItem can create drafts and items of every other kind.
	sendOperations = `CreateAttachment CreateItem SendItem`

	// otherOperations are allowed by default and are in no preset. Most of them
	// change the mailbox. Five of them only read. They are not in @read for
	// these reasons: GetSharingMetadata issues a token that opens a folder to
	// another organisation. GetClientExtension and GetOMEConfiguration read
	// settings of the whole organisation. ExportItems and PerformInstantSearch
	// return mail in bulk.
	otherOperations = `
AddDistributionGroupToImList AddImContactToGroup AddImGroup
AddNewImContactToGroup AddNewTelUriContactToGroup AddTag
ApplyConversationAction ArchiveItem CopyFolder CopyItem CreateFolder
CreateFolderPath CreateManagedFolder CreateMeetingInstance CreateMeetingSpace
CreateOrUpdateFocusedOtherOverride CreateUserConfiguration DeleteAttachment
DeleteFocusedOtherOverride DeleteFolder DeleteItem DeleteMeetingInstance
DeleteMeetingSpace DeleteSearchSuggestion DeleteUserConfiguration
DisconnectPhoneCall EmptyFolder EndInstantSearchSession EndSearchSession
ExportItems GetClientExtension GetOMEConfiguration GetSharingMetadata HideTag
MarkAllItemsAsRead MarkAsJunk MoveFolder MoveItem PerformInstantSearch
PerformReminderAction PlayOnPhone RefreshSharingFolder RegisterConsent
RemoveContactFromImList RemoveDistributionGroupFromImList
RemoveImContactFromGroup RemoveImGroup ReportMessage SetImGroup
SetImListMigrationCompleted SetUserOofSettings SetUserPhoto UnpinTeamMailbox
UpdateFolder UpdateInboxRules UpdateItem UpdateItemInRecoverableItems
UpdateMeetingInstance UpdateMeetingSpace UpdateUserConfiguration UploadItems`

	// refusedOperations are refused by default: they act beyond the
	// impersonated mailbox, or their effect continues after the request that
	// the list allowed.
	refusedOperations = `
SearchMailboxes GetSearchableMailboxes SetHoldOnMailboxes GetHoldOnMailboxes
GetDiscoverySearchConfiguration GetNonIndexableItemDetails
GetNonIndexableItemStatistics StartSearchSession ExecuteSearch
GetSearchSuggestions FindMailboxStatisticsByKeywords

ExecuteDiagnosticMethod FindMessageTrackingReport GetMessageTrackingReport
GetUMCallDataRecords SetTeamMailbox UpdateMailboxAssociation
SetOMEConfiguration SetEncryptionConfiguration

InstallApp UninstallApp DisableApp SetClientExtension GetClientAccessToken

AddDelegate UpdateDelegate RemoveDelegate

AddAggregatedAccount SetAggregatedAccount GetAggregatedAccount
RemoveAggregatedAccount CreateUnifiedMailbox

SubscribeToPushNotification Subscribe:Push`

	knownOperations = readOperations + "\n" + sendOperations + "\n" + otherOperations + "\n" + refusedOperations
)

// presets are the names by which a list of operations includes a whole class.
var presets = [...]struct{ name, operations string }{
	{"@read", readOperations},
	{"@send", sendOperations},
}
