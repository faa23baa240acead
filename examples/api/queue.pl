#!/usr/bin/perl
# Queues a job from Perl, with modules that come with it (HTTP::Tiny, JSON::PP).
#
# Usage: TASKSERVER_TOKEN=tsk_... perl queue.pl TASK [JSON]
# Environment: TASKSERVER_URL (http://127.0.0.1:8742), TASKSERVER_TOKEN, TASKSERVER_CLIENT (default)

use strict;
use warnings;
use HTTP::Tiny;
use JSON::PP;

my $url  = ($ENV{TASKSERVER_URL} || 'http://127.0.0.1:8742') . '/api/v1';
my $http = HTTP::Tiny->new(default_headers => { Authorization => "Bearer $ENV{TASKSERVER_TOKEN}" });

sub ask {
    my ($method, $path, $body, %headers) = @_;
    my %more = (headers => \%headers);
    if (defined $body) {
        $headers{'Content-Type'} = 'application/json';
        $more{content} = encode_json($body);
    }
    my $answer = $http->request($method, "$url$path", \%more);
    my $told   = eval { decode_json($answer->{content}) } || {};
    die(($told->{detail} || "$url: $answer->{status} $answer->{content}") . "\n") unless $answer->{success};
    return $told;
}

my ($task, $data) = @ARGV;
my $queued = eval {
    ask('POST', '/jobs', {
        task   => $task,
        client => $ENV{TASKSERVER_CLIENT} || 'default',
        data   => decode_json($data || '{}'),
    }, 'Idempotency-Key' => join('-', time, $$, int rand 1e9));
};
if (!$queued) {
    print STDERR $@;
    exit 2;
}
my $job = ask('GET', "/jobs/$queued->{id}");
binmode STDOUT, ':encoding(UTF-8)';
print "job $job->{id} is $job->{status}: $job->{title}\n";
