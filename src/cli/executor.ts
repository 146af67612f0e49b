import { hostname } from 'node:os';
import type { Command } from 'commander';

interface ExecutorFlags {
  readonly master?: string;
  readonly slots?: string;
  readonly gpus?: string;
  readonly slotsPerGpu?: string;
  readonly id?: string;
  readonly bind?: string;
  readonly advertise?: string;
}

export function registerExecutor(program: Command): void {
  program
    .command('executor')
    .description('run an executor that takes tasks from a Redis master until it is stopped')
    .option('--master <url>', 'redis://… or rediss://… (default: $SHEAF_MASTER)')
    .option('--slots <count>', 'tasks at a time (default: one a core)')
    .option('--gpus <request>', 'auto (all there are), none, a number, or device=0,2 (default: auto)')
    .option('--slots-per-gpu <count>', 'slots that share a GPU; all other slots are CPU slots (default: 1)')
    .option('--id <id>', 'name of this executor (default: host and process id)')
    .option('--bind <address>', 'address the block service listens on', '127.0.0.1')
    .option('--advertise <address>', 'address under which other hosts reach it (default: --bind)')
    .addHelpText(
      'after',
      "\nThe cluster's secret is read from $SHEAF_SECRET.\n\nExample:\n  SHEAF_SECRET=… sheaf executor --master redis://queue:6379 --bind 0.0.0.0 --advertise $(hostname)",
    )
    .action(runExecutor);
}

/** Resolves when the executor has been told to stop and nothing of it is left. */
async function runExecutor(flags: ExecutorFlags): Promise<void> {
  const [
    { availableParallelism },
    { Executor },
    environment,
    { redisQueue },
    { isRedisUrl, redactUrl },
    { Conf, settingsFromEnvironment },
  ] = await Promise.all([
    import('node:os'),
    import('../executor/executor.js'),
    import('../executor/slot-environment.js'),
    import('../scheduler/queue/bullmq.js'),
    import('../scheduler/redis-url.js'),
    import('../scheduler/conf.js'),
  ]);
  const url = flags.master ?? process.env.SHEAF_MASTER;
  if (!url || !isRedisUrl(url)) throw new Error('an executor needs --master redis://HOST:PORT (or $SHEAF_MASTER)');
  const secret = process.env.SHEAF_SECRET;
  if (!secret) throw new Error("set SHEAF_SECRET to the cluster's secret, the same for driver and executors");
  const flagged = { 'sheaf.executor.gpus': flags.gpus, 'sheaf.executor.slotsPerGpu': flags.slotsPerGpu };
  const conf = new Conf(flagged, settingsFromEnvironment(process.env));
  const leaseMs = conf.number('sheaf.executor.leaseMs');
  const slots = flags.slots ?? String(availableParallelism());
  if (!/^[1-9]\d*$/.test(slots)) throw new Error(`--slots must be a whole number of at least 1, not "${slots}"`);
  const id = flags.id ?? `${hostname()}-${process.pid}`;
  if (!/^[\w.-]+$/.test(id)) throw new Error(`--id may have letters, digits and . _ - in it, unlike "${id}"`);
  const gpus = environment.requestedGpus(conf.get('sheaf.executor.gpus'), Number(slots));
  const slotInfos = environment.slotInfos(Number(slots), gpus, conf.number('sheaf.executor.slotsPerGpu'));
  const queue = redisQueue({ url, secret, leaseMs });
  let stop = (_reason: string) => {};
  const stopped = new Promise<string>((resolve) => {
    stop = resolve;
  });
  const executor = await Executor.start({
    ...{ secret, bind: flags.bind, advertise: flags.advertise, slotEnvironment: environment.slotEnvironment },
    id,
    slots: slotInfos,
    channel: queue.executor(),
    fingerprint: environment.machineFingerprint(),
    heartbeatMs: leaseMs / 3,
    slotMemory: conf.bytes('sheaf.slot.memory'),
    preload: ['rdd/stage-program'],
    onStop: stop,
  });
  // A child of a local-cluster is nobody's to look at.
  const say = (text: string) => void (process.connected || process.stderr.write(`executor ${id}: ${text}\n`));
  const onGpus = gpus.length > 0 ? `, ${slotInfos.filter(({ gpu }) => gpu).length} of them on ${gpuNames(gpus)}` : '';
  say(`joined ${redactUrl(url)} with ${slots} slots${onGpus}`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop(signal));
  process.on('disconnect', () => stop('its parent is gone'));
  const reason = await stopped;
  say(`stopping: ${reason}`);
  await executor.stop(reason);
  process.exit(0);
}

const gpuNames = (gpus: readonly { readonly name: string }[]) => gpus.map(({ name }) => name).join(', ');
