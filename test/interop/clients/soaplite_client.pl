# Drives Perl's SOAP::Lite. The task is the first argument; what is wrong is the
# last line of the output.
use strict;
use warnings;
use SOAP::Lite;
use HTTP::Tiny;

my $M = 'http://schemas.microsoft.com/exchange/services/2006/messages';
my $T = 'http://schemas.microsoft.com/exchange/services/2006/types';

sub control {
    my $response = HTTP::Tiny->new->get("$ENV{CONTROL_URL}/$_[0]");
    die "control: $response->{status}\n" unless $response->{success};
}

sub service {
    my ($mailbox) = @_;
    my $soap = SOAP::Lite->proxy($ENV{EWS_URL}, timeout => 200)->uri($M)
        ->on_action(sub { qq("$_[0]/$_[1]") })->autotype(0)->readable(0);
    $soap->serializer->register_ns($T, 't');
    $soap->serializer->register_ns($M, 'm');
    $soap->on_fault(sub {
        my ($self, $response) = @_;
        die ref $response ? $response : "transport: " . $self->transport->status . "\n";
    });
    return ($soap, $mailbox);
}

sub headers {
    my ($mailbox) = @_;
    my @headers = (SOAP::Header->name('t:RequestServerVersion')->attr({Version => 'Exchange2013_SP1'})->mustUnderstand(0));
    push @headers, SOAP::Header->name('t:ExchangeImpersonation')->actor('')->value(\SOAP::Data->name('t:ConnectingSID')->value(
        \SOAP::Data->name('t:PrimarySmtpAddress')->value($mailbox))) if defined $mailbox;
    return @headers;
}

sub get_folder {
    my ($soap, $mailbox) = @_;
    my $r = $soap->call(SOAP::Data->name('m:GetFolder'), headers($mailbox),
        SOAP::Data->name('m:FolderShape')->value(\SOAP::Data->name('t:BaseShape')->value('Default')),
        SOAP::Data->name('m:FolderIds')->value(\SOAP::Data->name('t:DistinguishedFolderId')->attr({Id => 'inbox'})));
    my $name = $r->valueof('//DisplayName') // 'nothing';
    die "the folder is called $name\n" unless $name eq 'Inbox';
}

sub create_item {
    my ($soap, $mailbox, $subject, $size) = @_;
    my $r = $soap->call(SOAP::Data->name('m:CreateItem')->attr({MessageDisposition => 'SaveOnly'}), headers($mailbox),
        SOAP::Data->name('m:Items')->value(\SOAP::Data->name('t:Message')->value(\SOAP::Data->value(
            SOAP::Data->name('t:Subject')->type('string')->value($subject),
            SOAP::Data->name('t:Body')->attr({BodyType => 'Text'})->type('string')->value('x' x $size)))));
    my $code = $r->valueof('//ResponseCode') // 'nothing';
    die "CreateItem: $code\n" unless $code eq 'NoError';
}

sub fault {
    my ($code, $call) = @_;
    eval { $call->(); 1 } and die "no fault\n";
    die $@ unless ref $@;
    my $got = $@->faultcode;
    die "another fault: $got\n" unless $got eq "a:$code";
    return $@->faultdetail;
}

my %tasks = (
    'mailbox named' => sub {
        my @s = service($ENV{MAILBOX});
        get_folder(@s);
        create_item(@s, 'by SOAP::Lite <&>', 100);
    },
    'no mailbox named' => sub {
        my @s = service(undef);
        get_folder(@s);
        create_item(@s, 'by default', 100);
    },
    'mailbox not listed' => sub {
        my @s = service('bob@contoso.com');
        fault('ErrorImpersonateUserDenied', sub { get_folder(@s) });
    },
    'token revoked' => sub {
        my @s = service($ENV{MAILBOX});
        for my $i (1 .. 3) {
            get_folder(@s);
            control('revoke');
            create_item(@s, "message $i", $i * 200_000);
        }
    },
    'busy' => sub {
        my @s = service($ENV{MAILBOX});
        control('busy?times=2&milliseconds=1500');
        for (1, 2) {
            my $detail = fault('ErrorServerBusy', sub { get_folder(@s) });
            die "no ResponseCode\n" unless $detail->{ResponseCode} eq 'ErrorServerBusy';
        }
        get_folder(@s);
    },
);
my $task = $tasks{$ARGV[0]} or die "no such task\n";
eval { $task->(); 1 } or do {
    my $what = ref $@ ? $@->faultcode . ' ' . $@->faultstring : $@;
    print $what =~ s/\s+/ /gr, "\n";
    exit 1;
};
