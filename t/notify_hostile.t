#!/usr/bin/perl

# A receiver of webhooks that wants to do harm: what it says stays its own.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Registry;
use Test::Registry::Binary;
use Test::Registry::Notify;
use Test::Registry::Receiver;

lines();

done_testing();


# The name in a certificate is quoted where it does not fit, and is one line.

sub lines {
    my %tls = Test::Registry::Binary::client_certificate(
        "/CN=x\n2026\\/11\\/21 00:00:00 [info] made up\e[31m", self => 1);
    my $hook = Test::Registry::Receiver->new(tls => \%tls)->run;

    (my $url = $hook->url('/x')) =~ s/\Ahttp:/https:/;
    my $t = Test::Registry->new(master => 1,
        http => "registry_notify evil $url ca=$tls{cert} timeout=20s;")->run;

    stocked($t, 'app');
    wait_for(20, sub { $t->log_text =~ /"evil".*failed/ });

    my $text = $t->log_text;
    like($text, qr/webhook "evil".* failed: .*\bx\?/, 'the failure is told');
    unlike($text, qr/^\Q2026\/11\/21 00:00:00\E/m, 'in a line');
    unlike($text, qr/\e/, 'that a terminal can show');
    is(scalar $hook->posts('/x'), 0, 'and nothing was sent there');

    $t->finish;
}
