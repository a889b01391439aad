#!/usr/bin/perl

# registry_readonly: nothing changes the store, pulls go on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Registry;

use constant PLAIN => 'the registry is read-only for now, pulls go on';

settings();

my $t = Test::Registry->new(location => 'registry_delete on;')->run;
my $image = $t->push_image('some/app', 'v1', seed => 1);
my $layer = $image->{layers}[0];
my $begun = path_of($t->open_upload('some/app'));

switched_on();
sentence();
by_variable();
by_login();

finish($t);


sub settings {
    my %bad = (
        'registry_readonly;' => qr/invalid number of arguments/,
        'registry_readonly maybe;' => qr/needs "on", "off" or a variable/,
        'registry_readonly on "";' => qr/empty sentence/,
        'registry_readonly $nobody_has_set_this;' => qr/unknown .*variable/,
        'registry_readonly on; registry_readonly on;' => qr/duplicate/,
    );

    for my $bad (sort keys %bad) {
        my ($rc, $text) = Test::Registry->new(location => $bad)->check;
        ok($rc > 0 && $text =~ $bad{$bad}, "refused: $bad") or diag $text;
    }
}


sub configure {
    my ($location, $http) = @_;

    $t->{location} = "registry_delete on; $location";
    $t->{http} = $http // '';
    $t->reload;
}


# 403 DENIED with that sentence.

sub is_closed {
    my ($r, $name, $sentence) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is_error($r, 403, 'DENIED', $name);
    is($r->json->{errors}[0]{message}, $sentence // PLAIN,
        "$name: in a plain sentence") if $r->{request} !~ /\AHEAD/;
    has_no_header($r, 'Retry-After', "$name: nobody is told to come back");
}


sub pulls {
    my ($name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($t->get('/v2/some/app/manifests/v1')->body, $image->{bytes},
        "$name: a manifest");
    is($t->get('/v2/some/app/blobs/' . sha256($layer))->body, $layer,
        "$name: a blob");
    is_status($t->head('/v2/some/app/blobs/' . sha256($layer)), 200,
        "$name: HEAD");
}


sub switched_on {
    configure('registry_readonly on;');

    pulls('read-only');
    is_status($t->get($_), 200, "read-only: $_")
        for '/v2/', '/v2/_catalog', '/v2/some/app/tags/list',
            "/v2/some/app/referrers/$image->{digest}";

    my $b = blob(100, 2);
    my $d = sha256($b);
    my $m = '/v2/some/app/manifests';

    is_closed($t->post('/v2/some/app/blobs/uploads/'), 'an upload');
    is_closed($t->post("/v2/some/app/blobs/uploads/?digest=$d", body => $b),
        'an upload at one go');
    is_closed($t->post('/v2/other/blobs/uploads/?mount=' . sha256($layer)
        . '&from=some/app'), 'a mount');
    is_closed($t->patch($begun, body => blob(3_000_000, 3)),
        'more of an upload');
    is_closed($t->put(with_query($begun, digest => $d), body => $b),
        'the end of an upload');
    is_closed($t->delete($begun), 'the cancel of an upload');
    is_status($t->get($begun), 204, 'how far an upload has come is told');
    is_closed($t->push_manifest('some/app', 'v2', $image->{bytes}),
        'a manifest');
    is_closed($t->delete("$m/v1"), 'the deletion of a tag');
    is_closed($t->delete("$m/$image->{digest}"), 'of a manifest');
    is_closed($t->delete('/v2/some/app/blobs/' . sha256($layer)),
        'of a blob');
    is_closed($t->delete('/v2/some/app/_nginx/repository/content'),
        'of a repository');
    is_error($t->get('/v2/some/app/manifests/v2'), 404, 'MANIFEST_UNKNOWN',
        'nothing was pushed');
    pulls('nothing was deleted');

    configure('registry_readonly off;');
    $t->push_image('some/app', 'v2', seed => 2);
    pulls('switched off');
    is_status($t->put(with_query($begun, digest => $d), body => $b), 201,
        'an upload that was begun before goes on');
}


sub sentence {
    my $said = q(Back at 18:00, says "ops");

    configure(qq(registry_readonly on 'Back at 18:00, says "ops"';));
    is_closed($t->post('/v2/some/app/blobs/uploads/'), 'a sentence', $said);

    configure('registry_readonly on "$registry_repository is closed";');
    is_closed($t->post('/v2/some/app/blobs/uploads/'),
        'a sentence with a variable', 'some/app is closed');
}


sub by_variable {
    configure('registry_readonly $frozen;',
        'map $registry_repository $frozen { ~^no/ ""; ~^zero/ 0;'
        . ' ~^off/ OFF; ~^yes/ 1; ~^word/ true; }');

    is_status($t->post("/v2/$_/app/blobs/uploads/"), 202, "$_: open")
        for qw(no zero off);
    is_closed($t->post("/v2/$_/app/blobs/uploads/"), "$_: closed")
        for qw(yes word);
}


# Who may not push is told so, before anything else.

sub by_login {
    $t->write_file('users', htpasswd(ann => 'secret'));
    configure('registry_readonly on; registry_htpasswd r %%DIR%%/users;');

    is_status($t->post('/v2/some/app/blobs/uploads/'), 401,
        'a login is asked for first');
    is_closed($t->as('ann', 'secret')->post('/v2/some/app/blobs/uploads/'),
        'and then it is refused');
}
