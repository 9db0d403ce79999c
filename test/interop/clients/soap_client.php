<?php
// Drives PHP's SoapClient. The task is the first argument; what is wrong is
// the last line of the output.

const M = 'http://schemas.microsoft.com/exchange/services/2006/messages';
const T = 'http://schemas.microsoft.com/exchange/services/2006/types';

function must(bool $ok, string $what): void
{
    if (!$ok) {
        throw new Exception($what);
    }
}

function client(?string $mailbox, array $options = []): SoapClient
{
    // Exchange's description contains no address, and PHP requires one. The
    // address is added to a copy of the description, as PHP programs do.
    $base = dirname(getenv('EWS_URL'));
    $dir = getenv('WORK_DIR');
    $context = stream_context_create(['http' => ['protocol_version' => 1.1, 'header' => 'Connection: close']]);
    foreach (['services.wsdl', 'messages.xsd', 'types.xsd'] as $name) {
        $text = file_get_contents("$base/$name", false, $context);
        must($text !== false, "no $name");
        if ($name === 'services.wsdl' && !str_contains($text, '<wsdl:service ')) {
            $service = '<wsdl:service name="ExchangeServices"><wsdl:port name="ExchangeServicePort" binding="tns:ExchangeServiceBinding">'
                . '<soap:address location="' . getenv('EWS_URL') . '"/></wsdl:port></wsdl:service>';
            $text = str_replace('</wsdl:definitions>', $service . '</wsdl:definitions>', $text);
        }
        file_put_contents("$dir/$name", $text);
    }
    $client = new SoapClient("$dir/services.wsdl", $options + [
        'location' => getenv('EWS_URL'), 'cache_wsdl' => WSDL_CACHE_NONE, 'trace' => true,
        'features' => SOAP_SINGLE_ELEMENT_ARRAYS, 'compression' => SOAP_COMPRESSION_ACCEPT | SOAP_COMPRESSION_GZIP,
    ]);
    $headers = [new SoapHeader(T, 'RequestServerVersion', new SoapVar('<t:RequestServerVersion xmlns:t="' . T . '" Version="Exchange2013_SP1"/>', XSD_ANYXML))];
    if ($mailbox !== null) {
        $headers[] = new SoapHeader(T, 'ExchangeImpersonation', ['ConnectingSID' => ['PrimarySmtpAddress' => $mailbox]]);
    }
    $client->__setSoapHeaders($headers);
    return $client;
}

function call(SoapClient $client, string $operation, array $arguments): object
{
    $response = $client->$operation($arguments);
    $message = $response->ResponseMessages->{$operation . 'ResponseMessage'}[0];
    must($message->ResponseCode === 'NoError', "$operation: " . $message->ResponseCode);
    return $message;
}

function work(SoapClient $client): void
{
    $folders = call($client, 'GetFolder', ['FolderShape' => ['BaseShape' => 'Default'], 'FolderIds' => ['DistinguishedFolderId' => [['Id' => 'inbox']]]]);
    must($folders->Folders->Folder[0]->DisplayName === 'Inbox', 'another folder came');
    $created = call($client, 'CreateItem', [
        'MessageDisposition' => 'SaveOnly',
        'SavedItemFolderId' => ['DistinguishedFolderId' => ['Id' => 'inbox']],
        'Items' => ['Message' => [['Subject' => 'by PHP <&>', 'Body' => ['BodyType' => 'Text', '_' => 'Grüße']]]],
    ]);
    $id = $created->Items->Message[0]->ItemId->Id;
    $got = call($client, 'GetItem', ['ItemShape' => ['BaseShape' => 'Default'], 'ItemIds' => ['ItemId' => [['Id' => $id]]]]);
    must($got->Items->Message[0]->Subject === 'by PHP <&>', 'another subject came');
    must($got->Items->Message[0]->Body->_ === 'Grüße', 'another body came');
    call($client, 'DeleteItem', ['DeleteType' => 'HardDelete', 'ItemIds' => ['ItemId' => [['Id' => $id]]]]);
}

$basic = ['login' => getenv('USERNAME'), 'password' => getenv('PASSWORD')];
$tasks = [
    'no credentials' => fn () => work(client(getenv('MAILBOX'))),
    'Basic credentials' => fn () => work(client(getenv('MAILBOX'), $basic)),
    'no mailbox named' => fn () => work(client(null, $basic)),
    'mailbox not listed' => function () {
        try {
            work(client('bob@contoso.com'));
        } catch (SoapFault $fault) {
            must($fault->faultcode === 'a:ErrorImpersonateUserDenied', "another fault: $fault->faultcode");
            must($fault->detail->ResponseCode === 'ErrorImpersonateUserDenied', 'no response code');
            return;
        }
        throw new Exception('no fault');
    },
];
try {
    $tasks[$argv[1]]();
} catch (Throwable $e) {
    echo str_replace("\n", ' ', get_class($e) . ': ' . $e->getMessage()), "\n";
    exit(1);
}
