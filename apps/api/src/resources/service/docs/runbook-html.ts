// Written from docs/runbook.md by apps/api/test/runbook-page.test.ts.
export const RUNBOOK_HTML = `<h1 id="runbook">Runbook</h1>
<p>What to do when an alert fires. Act on <code>critical</code> at once, on <code>warning</code> within the day.</p>
<p>The rules are in <code>infra/prometheus/rules</code>, and the dashboard shows the same numbers. <code>GET /fleet/alerts</code> shows those
that need no Prometheus. Start with <code>GET /health</code> (scope
<code>admin</code>) and <code>npm run doctor</code>. For a single job, see Why is a job waiting? (<code>docs/operate.md#why-is-a-job-waiting</code>).</p>
<h2 id="queueolderthanpromised">QueueOlderThanPromised</h2>
<p>The oldest waiting job of a pool and level of detail has waited longer than <code>comfy_fleet:promised_wait_seconds</code>, which
you set in <code>packages/jobs/src/alerts/waiting-rules.ts</code>.</p>
<ul>
<li>Is an instance down or drained (<code>/fleet</code>)? Bring it back.</li>
<li><code>waiting_for</code> of a waiting job says what it waits for, e.g. a model that no instance has
(Job status (<code>docs/api.md#job-status</code>)).</li>
<li>Are all instances busy? Then more work arrives than the GPUs can do. Add GPUs, lower the <code>weight</code>, <code>jobs_waiting</code> or
<code>jobs_running</code> of a key that floods the queue, or raise the promised wait.</li>
<li>Jobs of a key that has <code>jobs_running</code> jobs in work, or whose files fill its
share of the storage (<code>docs/storage.md#shares-of-api-keys</code>), wait by design. They are not counted here; the dashboard shows
them as <code>parked</code> under <em>Jobs by state</em>.</li>
</ul>
<h2 id="pooldownwhilejobswait">PoolDownWhileJobsWait</h2>
<p>Jobs wait in a pool that has no instance up. If a worker serves the pool (<code>/fleet</code>), see
<a href="#instancedown">InstanceDown</a>. If not, start one with the pool in its <code>WORKER_POOLS</code>. With KEDA, find out why no pods
start: <code>kubectl describe scaledobject worker</code>, pending pods, no free GPU. Nothing is lost, but jobs expire when their
start deadline passes.</p>
<h2 id="jobsexpire">JobsExpire</h2>
<p>Jobs were still waiting when <code>start_within_seconds</code> (or <code>MAX_QUEUED_SECONDS</code>) had passed. Treat it like
<a href="#queueolderthanpromised">QueueOlderThanPromised</a>. Callers who set short deadlines on purpose trigger this alert too;
look at the jobs with <code>GET /jobs?status=expired</code> and their key.</p>
<h2 id="keywaitslongerthanpromised">KeyWaitsLongerThanPromised</h2>
<p>The oldest waiting job of a key has waited longer than <code>comfy_fleet:promised_key_wait_seconds</code> (an hour), which you set
in <code>packages/jobs/src/alerts/waiting-rules.ts</code>. Jobs that wait because their key has <code>jobs_running</code> jobs in work do not
count.</p>
<ul>
<li><code>waiting_for</code> of the job (<code>GET /jobs?status=queued</code> with that key) says what it waits for: a model that no instance
has, a GPU with more memory, a paused pool (Job status (<code>docs/api.md#job-status</code>)).</li>
<li>If it waits for its turn, look at the key in <code>shares</code> of <code>GET /fleet</code>. If <code>share_hour</code> is near <code>fair_share</code>, the key
has more work than its share of the GPUs can do: add GPUs, raise its <code>weight</code>, or tell its owner. If it is far below,
see <a href="#keybelowitsshare">KeyBelowItsShare</a>.</li>
</ul>
<h2 id="keybelowitsshare">KeyBelowItsShare</h2>
<p>A key has had jobs waiting for half an hour, and in the last hour it got less than half of the GPU time that its weight
gives it. The scheduler hands out GPU time by weight, so something keeps this key&#39;s jobs from the GPUs:</p>
<ul>
<li>Only some instances can run its jobs (<code>waiting_for</code> says <code>missing</code> or <code>memory</code>), or they rest for this key&#39;s work
(<code>rests</code> in <code>GET /fleet</code>). The share is of whole pools, and the key can only have what these instances give.</li>
<li>Its pool is paused (<code>GET /admin</code>).</li>
<li>Its jobs are retried again and again because an instance fails them: such executions do not count as its GPU time.
Look for <code>job is to be tried again</code> in the workers&#39; logs.</li>
</ul>
<p>A key that came back less than an hour ago after others had the GPUs to themselves is low in <code>share_hour</code> for a while;
the alert waits long enough for that. What is missing is not made up for later: a key cannot save up GPU time.</p>
<h2 id="fleetpausedandforgotten">FleetPausedAndForgotten</h2>
<p>The fleet has been paused for a long time. <code>GET /admin</code> says by which key and since when; <code>POST /admin/resume</code> ends the
pause.</p>
<h2 id="poolpausedandforgotten">PoolPausedAndForgotten</h2>
<p>The same for one pool: <code>POST /admin/resume?pool=NAME</code>.</p>
<h2 id="instancedown">InstanceDown</h2>
<p>A ComfyUI has not answered its worker for ten minutes. Look at ComfyUI&#39;s log first: out of GPU memory, a driver that
lost the card (<code>nvidia-smi</code>), a custom node that fails to import. Its jobs went to other instances, or wait. Restart it;
the worker notices within seconds. The alert ignores drained instances, so drain one before you work on it.</p>
<h2 id="instancewedged">InstanceWedged</h2>
<p>A node in that ComfyUI ignores interrupts: a stuck download, a hung kernel, a custom node that waits for something. Its
job ended <code>INTERRUPT_GRACE_SECONDS</code> after the first interrupt, jobs behind it went back into the queue, and the instance
gets no more jobs. <code>/fleet</code> says which node it is, and since when.</p>
<p>Restart that ComfyUI. The worker notices at once when the prompt is gone, even if the node ends by itself. To automate
the restart, set <code>COMFYUI_RESTART_COMMAND</code> on its worker. If it is set and the alert still fires, the worker&#39;s log has
the output of the command, or says that it already ran <code>RESTARTS_PER_HOUR</code> times. If the same node causes this again and
again, stop using the workflow or the custom node.</p>
<h2 id="instanceoccupied">InstanceOccupied</h2>
<p>That ComfyUI has executed prompts for half an hour that the fleet did not submit: somebody uses its own page, another
program or another fleet submits to it, or such a prompt never ends. <code>GET /fleet</code> says since when, and names the prompt
and, if ComfyUI tells it, the node. Until that is over, the instance gets only jobs that no other instance can run, and
those wait behind it.</p>
<p>Open ComfyUI&#39;s page and look at its queue. If nobody needs the prompt, interrupt it there, or restart ComfyUI. If others
use that ComfyUI regularly, drain (<code>docs/operate.md#pause-and-drain</code>) it while they do.</p>
<h2 id="instanceflaps">InstanceFlaps</h2>
<p>The instance goes down and comes back again and again. Usually certain jobs kill it: compare the log of ComfyUI
with what the worker logs after <code>instance is down</code>. The line <code>job is to be tried again</code> names the <code>job</code> that ran
there. A job fails when two instances died or hung under it. If the machine is the cause, drain the
instance.</p>
<h2 id="instancerests">InstanceRests</h2>
<p>Jobs of several API keys, or the worker&#39;s own test prompt, fail on this instance, so the instance seems to be the cause
(Instances that rest (<code>docs/operate.md#instances-that-rest</code>)). <code>GET /fleet</code> (<code>rests</code>, with the last error)
and the worker&#39;s log (<code>instance rests</code>) say why:</p>
<ul>
<li><code>gpu_failed</code>: a broken CUDA context lasts until ComfyUI is restarted. If the error comes back, look at <code>nvidia-smi</code>
and <code>dmesg</code> (Xid).</li>
<li><code>instance_io_failed</code>: its disk is full or broken.</li>
<li><code>prompt_lost</code>: it accepts prompts but does not execute them, or loses them. Restart it.</li>
</ul>
<p>Jobs no longer fail on it: they went to other instances, or wait if there is none. After each rest (10 seconds, twice as
long each time, up to 10 minutes) the instance runs a test prompt and then one job, and gets work again if both succeed.
If you restart its ComfyUI, it gets work again as soon as the test prompt succeeds.</p>
<h2 id="instancerestsinpart">InstanceRestsInPart</h2>
<p>Like <a href="#instancerests">InstanceRests</a>, but only for one workflow or checkpoint (<code>rests</code> in <code>GET /fleet</code> names it). The
instance still gets all other work.</p>
<ul>
<li><code>model_unreadable</code>: compare the file with that of another instance (<code>sha256sum</code>), and copy it again.</li>
<li><code>library_missing</code>: install what the custom node needs.</li>
<li><code>out_of_memory</code>: another instance completed jobs of this workflow that ran out of memory here. Look for another
program that holds GPU memory (<code>nvidia-smi</code>).</li>
<li><code>one_key: true</code>: only jobs of one API key failed; jobs of other keys still run on the instance. The jobs may be at
fault: the worker&#39;s log names the key (<code>instance rests … of one API key</code>).</li>
</ul>
<h2 id="instanceslow">InstanceSlow</h2>
<p>The instance takes several times as long as its peers for similar work (<code>slowness</code> in <code>GET /fleet</code>). Usual causes: a
hot GPU or a low power limit (<code>nvidia-smi -q -d PERFORMANCE</code>), another program on the card, models that do not fit into
memory and are swapped, ComfyUI started with <code>--lowvram</code> or on the CPU, a slow disk with the models. If it is simply an
older card, give it its own pool.</p>
<h2 id="gpuidlewhilejobswait">GpuIdleWhileJobsWait</h2>
<p>The GPU was idle between prompts although jobs were waiting. Is the worker short of CPU (<code>process_cpu_seconds_total</code>)?
Is Redis slow (<a href="#redisslow">RedisSlow</a>), or the network between worker and ComfyUI? Slow storage
(<code>comfy_fleet_job_collect_seconds</code>) also stops an instance, once many pictures wait to be stored.</p>
<h2 id="instanceloadsmodels">InstanceLoadsModels</h2>
<p>The instance has spent more than 30 % of the last quarter of an hour loading models, time in which it renders nothing.</p>
<ul>
<li><code>waiting_for_models</code> in <code>GET /fleet</code> shows what jobs wait for. If there are more models than the instances of the pool
can hold, give some workflows a pool of their own with instances that keep their models, or add memory or instances.</li>
<li><code>MODEL_PATIENCE_SECONDS</code> is how long a job may wait for an instance that already holds its models. A larger value
saves loads and makes jobs with rare models wait longer; with 0 nothing is done to save loads.</li>
<li>If <code>models</code> of the instance are few although its memory is large, ComfyUI drops them: look for <code>--lowvram</code>,
<code>--cache-none</code> or a node that frees memory.</li>
<li>If the loads are few but long, the disk of the models is slow.</li>
</ul>
<h2 id="instancedrainedandforgotten">InstanceDrainedAndForgotten</h2>
<p>The instance was drained a day ago and gets no work. <code>GET /admin</code> says by which key;
<code>POST /admin/instances/&lt;worker&gt;/&lt;n&gt;/resume</code> ends the drain.</p>
<h2 id="jobsfail">JobsFail</h2>
<p>More than 10 % of the jobs that ended have failed. <code>comfy_fleet_retries_total</code> and the <code>error.code</code> of the jobs say why:</p>
<ul>
<li><code>out_of_memory</code>: the job is too large for this GPU, or another program uses its memory.</li>
<li><code>workflow_rejected</code>, <code>node_execution_error</code>: usually a checkpoint, a node or a setting of the workflow. Run
<code>npm run doctor</code>, and read the log of ComfyUI.</li>
<li><code>storage_failed</code>: see <a href="#framesdisklow">FramesDiskLow</a>.</li>
<li><code>instance_killed</code>, <code>prompt_lost</code>: see <a href="#instanceflaps">InstanceFlaps</a>.</li>
</ul>
<h2 id="apierrors">ApiErrors</h2>
<p>More than 5 % of the answers are 5xx. <code>comfy_fleet_http_errors_total</code> by <code>code</code> shows which. Nearly always the cause is
Redis (503 <code>queue_unavailable</code>: <a href="#redisdown">RedisDown</a>, <a href="#redisslow">RedisSlow</a>) or disk space (507
<code>storage_full</code>). A 500 is a bug: please report it, with the stack in its log line.</p>
<h2 id="webhookslate">WebhooksLate</h2>
<p>Webhooks take long to be delivered. Deliveries that needed retries count when they succeed. If only one receiver is
slow, its owner has to fix it (<code>GET /jobs/:id/webhooks</code> shows what it answered). If all are, the dispatcher makes too
few deliveries at a time (<code>WEBHOOK_CONCURRENCY</code>), or its network is slow.</p>
<h2 id="webhookswait">WebhooksWait</h2>
<p>Webhooks are due but nobody attempts to deliver them. Are dispatchers running and ready? Are all their deliveries
waiting for receivers that never answer? Add a dispatcher, or raise <code>WEBHOOK_CONCURRENCY</code>. <code>WEBHOOK_PER_HOST</code> keeps the
webhooks of one key to one receiver from using all of it.</p>
<h2 id="webhooksgivenup">WebhooksGivenUp</h2>
<p>Some webhooks failed after all retries (<code>WEBHOOK_RETRY_SECONDS</code>), or were answered with 410. Tell the owner of the key.
When the receiver works again, <code>POST /jobs/:id/webhooks/redeliver</code> sends one again.</p>
<h2 id="outboxstuck">OutboxStuck</h2>
<p>No dispatcher takes callbacks of ended jobs from the outbox. Either none is running, or it cannot write to Redis (out of
memory: <a href="#redismemoryhigh">RedisMemoryHigh</a>). Nothing is lost: they are delivered later.</p>
<h2 id="framesdisklow">FramesDiskLow</h2>
<p>Less than 5 GB is free where pictures are stored. Retention deletes by age and size (<code>FRAMES_MAX_AGE_SECONDS</code>,
<code>FRAMES_MAX_BYTES</code>): lower one, or provide a larger disk. Does something else fill the disk? Below <code>MIN_FREE_BYTES</code> new
jobs are refused and accepted ones wait; pictures of running jobs are still stored.</p>
<h2 id="framesdiskfull">FramesDiskFull</h2>
<p>Like <a href="#framesdisklow">FramesDiskLow</a>, but callers already get 507. Lower <code>FRAMES_MAX_BYTES</code> and restart the dispatcher;
within <code>HOUSEKEEPING_SECONDS</code> it deletes the oldest pictures of the keys that exceed their shares most. Workers claim
nothing until more than <code>MIN_FREE_BYTES</code> is free; accepted jobs wait.</p>
<h2 id="workerscannotstore">WorkersCannotStore</h2>
<p><code>/health</code> shows the reason for each worker: less disk space than <code>MIN_FREE_BYTES</code>, a write that failed (no space,
read-only, no permission), a volume that does not respond, a bucket that is unreachable or denies access. Nothing is
lost: jobs wait in the queue, finished pictures wait in ComfyUI&#39;s output folder, and workers retry every few seconds.
Free disk space or fix the storage; workers then continue automatically. If only one worker is affected, check the mount
on its host.</p>
<h2 id="redisdown">RedisDown</h2>
<p>No process can reach Redis. It holds every job: do not delete or change its files.</p>
<ul>
<li>Is it loading its append-only file after a restart (<code>LOADING</code>)? Then wait: a million jobs take about half a minute.</li>
<li>Is its disk full? Then it refuses writes. Free disk space.</li>
<li>With Sentinels: <code>SENTINEL CKQUORUM mymaster</code>.</li>
</ul>
<p>Workers finish what runs, and report it when Redis is back. Callers get 503.</p>
<h2 id="redisslow">RedisSlow</h2>
<p>One PING in a hundred takes longer than 50 ms. Look at <code>SLOWLOG GET</code> and <code>LATENCY DOCTOR</code>, at the disk
(<code>appendfsync always</code> waits for it; give Redis its own SSD), and for swapping. <code>KEYS *</code> or a forgotten <code>MONITOR</code> can
cause it too.</p>
<h2 id="redismayevict">RedisMayEvict</h2>
<p>Run <code>CONFIG SET maxmemory-policy noeviction</code> at once, then write it into the configuration file. Any other policy
deletes jobs when memory runs out.</p>
<h2 id="redisforgets">RedisForgets</h2>
<p>Run <code>CONFIG SET appendonly yes</code>, and write it into the configuration file with <code>appendfsync always</code>. With <code>everysec</code>
up to a second of accepted jobs is lost if the machine dies.</p>
<h2 id="redismemoryhigh">RedisMemoryHigh</h2>
<p>At 90 % the api answers new jobs 503 <code>overloaded</code>; accepted ones still run. A waiting job takes about 3 kB, one with a
large graph up to 40 kB. Which key holds most (<code>comfy_fleet_key_job_bytes</code>)? Is something flooding the queue
(<code>MAX_OPEN_JOBS</code>, <code>KEY_JOBS_WAITING</code> and <code>KEY_JOB_BYTES</code> bound it), or are ended jobs kept longer than needed
(<code>JOB_TTL_SECONDS</code>, <code>KEY_JOBS_KEPT</code>)? Raise <code>maxmemory</code> if the machine has enough
memory, but leave half as much again free for the fork of a rewrite.</p>
<h2 id="replicasmissing">ReplicasMissing</h2>
<p>Redis has fewer replicas than <code>REDIS_WAIT_REPLICAS</code> requires: requests for new jobs are answered 503, and workers start
nothing new. Bring a replica back. <code>INFO replication</code> lists the replicas; one that is still synchronising does not
count. If that takes too long, lower <code>REDIS_WAIT_REPLICAS</code> and restart the services, but note that an accepted job may
then be lost together with the primary.</p>
<h2 id="targetdown">TargetDown</h2>
<p>Prometheus cannot scrape a process. If the process is alive (<code>/livez</code>), Prometheus cannot reach it: <code>API_METRICS_HOST</code>,
<code>WORKER_HEALTH_HOST</code> and <code>DISPATCHER_HEALTH_HOST</code> are loopback unless you set them. If it is not, its last log lines say
why it ended.</p>
<h2 id="apiabsent">ApiAbsent</h2>
<p>No API is running, so callers get no answers. Start one by hand; it prints to standard error what is missing.</p>
<h2 id="dispatcherabsent">DispatcherAbsent</h2>
<p>No dispatcher is at work: no webhooks, no retention, no autoscaling, and none of the alerts about queues and Redis.</p>
<ul>
<li>Is none running? Start one; it catches up automatically.</li>
<li>Does one run (<code>/livez</code>), and does only <code>GET /fleet/alerts</code> show this alert? Then Redis refuses writes, and new jobs
are answered 503. The dispatcher&#39;s log says why, at <code>noting how the fleet fares failed</code>: out of memory
(<a href="#redismemoryhigh">RedisMemoryHigh</a>), its disk is full, or it has too few replicas.</li>
</ul>
`;
