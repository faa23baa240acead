#!/usr/bin/env php
<?php
// Queues a job from PHP, without any library.
//
// Usage: TASKSERVER_TOKEN=tsk_... php queue.php TASK [JSON]
// Environment: TASKSERVER_URL (http://127.0.0.1:8742), TASKSERVER_TOKEN, TASKSERVER_CLIENT (default)

function ask(string $method, string $path, ?array $body = null, array $headers = []): array
{
    $url = (getenv('TASKSERVER_URL') ?: 'http://127.0.0.1:8742') . '/api/v1' . $path;
    $headers[] = 'Authorization: Bearer ' . getenv('TASKSERVER_TOKEN');
    $http = ['method' => $method, 'ignore_errors' => true, 'timeout' => 30];
    if ($body !== null) {
        $headers[] = 'Content-Type: application/json';
        $http['content'] = json_encode($body, JSON_THROW_ON_ERROR);
    }
    $http['header'] = $headers;
    $answer = file_get_contents($url, false, stream_context_create(['http' => $http]));
    if ($answer === false) {
        throw new RuntimeException("$url does not answer");
    }
    $told = json_decode($answer, true, 512, JSON_THROW_ON_ERROR);
    if (isset($told['status'], $told['detail'], $told['type'])) {
        throw new RuntimeException($told['detail']);
    }
    return $told;
}

try {
    $data = json_decode($argv[2] ?? '{}', false, 512, JSON_THROW_ON_ERROR);
    $queued = ask('POST', '/jobs', [
        'task' => $argv[1],
        'client' => getenv('TASKSERVER_CLIENT') ?: 'default',
        'data' => $data,
    ], ['Idempotency-Key: ' . bin2hex(random_bytes(16))]);
    $job = ask('GET', '/jobs/' . $queued['id']);
    echo "job {$job['id']} is {$job['status']}: {$job['title']}\n";
} catch (Exception $error) {
    fwrite(STDERR, $error->getMessage() . "\n");
    exit(2);
}
