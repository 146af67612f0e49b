import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatGpuRequest, shareOf } from '../executor/gpus.js';
import { describeExit, type GuardedChild, spawnGuarded } from '../executor/guardian.js';
import type { DriverChannel } from '../protocol/channel.js';
import { entryPoint } from '../protocol/entry.js';
import type { Conf } from './conf.js';
import { parseMaster } from './master.js';

/** What a master comes down to for the driver: a channel to executors, and how to end what was started for it. */
export interface Cluster {
  readonly channel: DriverChannel;
  /**
   * Resolves when executors can be counted on, once the channel is open.
   * @param heard resolves when an executor has been heard of
   * @throws Error that says why none will be
   */
  ready(heard: Promise<unknown>): Promise<void>;
  /** Slots that should be there before the first job; 0 where executors come and go as they like. */
  readonly expectedSlots: number;
  /** Messages a slot may hold: where sending costs something the next message waits at the slot. */
  readonly depth: number;
  readonly secret: string;
  /** Tells when a started executor process has ended; set before it can happen. */
  onExecutorExit: (executor: string, reason: string) => void;
  stop(): Promise<void>;
}

/** An executor process that keeps dying is given up. */
const MAX_RESTARTS = 8;
const FIRST_WORD_MS = 1_000;

/**
 * Starts (or connects to) what a master names.
 * @param preload modules of the engine that slots load before there is work
 * @throws Error when Redis is not there, or not fit
 */
export async function startCluster(conf: Conf, driver: string, preload: readonly string[] = []): Promise<Cluster> {
  const master = parseMaster(conf.get('sheaf.master'));
  if (master.kind === 'local') return startLocal(conf, driver, master.slots, preload);
  if (master.kind === 'local-cluster') return startLocalCluster(conf, driver, master.executors, master.slots);
  const secret = process.env.SHEAF_SECRET;
  if (!secret)
    throw new Error(
      'a redis:// master needs the cluster\'s secret: set SHEAF_SECRET to the same value for driver and executors (for example "openssl rand -hex 32")',
    );
  const [{ redisQueue }, { warnOnStderr }] = await Promise.all([
    import('./queue/bullmq.js'),
    import('./queue/mail.js'),
  ]);
  let refuse = (_why: Error) => {};
  const refused = new Promise<never>((_, reject) => {
    refuse = reject;
  });
  const warn = (message: string) => {
    warnOnStderr(message);
    if (/SHEAF_SECRET/.test(message)) refuse(new Error(`no executor of this master can be understood: ${message}`));
  };
  const queue = redisQueue({ url: master.url, secret, warn, leaseMs: conf.number('sheaf.executor.leaseMs') });
  // Executors that are there say so at once: a moment tells whether their words can be trusted.
  const ready = untilHeard(refused, FIRST_WORD_MS);
  return {
    channel: queue.driver(driver),
    ready,
    expectedSlots: 0,
    depth: 2,
    secret,
    onExecutorExit: () => {},
    stop: async () => {},
  };
}

async function startLocal(conf: Conf, driver: string, slots: number, preload: readonly string[]): Promise<Cluster> {
  const [{ memoryQueue }, { Executor }, { slotEnvironment, slotInfos, requestedGpus, machineFingerprint }] =
    await Promise.all([
      import('./queue/memory.js'),
      import('../executor/executor.js'),
      import('../executor/slot-environment.js'),
    ]);
  const gpus = requestedGpus(conf.get('sheaf.executor.gpus'), slots);
  const queue = memoryQueue();
  const secret = randomBytes(32).toString('hex');
  let executor: Awaited<ReturnType<typeof Executor.start>> | undefined;
  return {
    channel: queue.driver(driver),
    ready: async () => {
      executor = await Executor.start({
        ...{ id: `${driver}-local`, secret, slotEnvironment, preload },
        slots: slotInfos(slots, gpus, conf.number('sheaf.executor.slotsPerGpu')),
        slotMemory: conf.bytes('sheaf.slot.memory'),
        channel: queue.executor(),
        fingerprint: machineFingerprint(),
        heartbeatMs: conf.number('sheaf.executor.leaseMs') / 3,
      });
    },
    ...{ expectedSlots: slots, depth: 1, secret, onExecutorExit: () => {} },
    stop: async () => executor?.stop('the application ended'),
  };
}

async function startLocalCluster(conf: Conf, driver: string, executors: number, slots: number): Promise<Cluster> {
  const [{ startPrivateRedis }, { redisQueue }, { defaultSlotMemory }, { requestedGpus }] = await Promise.all([
    import('./redis-server.js'),
    import('./queue/bullmq.js'),
    import('../executor/slot-memory.js'),
    import('../executor/slot-environment.js'),
  ]);
  const gpus = requestedGpus(conf.get('sheaf.executor.gpus'), executors * slots);
  const slotMemory = conf.bytes('sheaf.slot.memory') ?? defaultSlotMemory(executors * slots);
  const redis = await startPrivateRedis();
  const secret = randomBytes(32).toString('hex');
  const leaseMs = conf.number('sheaf.executor.leaseMs');
  const queue = redisQueue({ url: redis.url, secret, leaseMs });
  const children = new Set<GuardedChild>();
  let stopping = false;
  let giveUp = (_why: Error) => {};
  const givenUp = new Promise<never>((_, reject) => {
    giveUp = reject;
  });
  const cluster: Cluster = {
    channel: queue.driver(driver),
    ready: untilHeard(givenUp),
    ...{ expectedSlots: executors * slots, depth: 2, secret, onExecutorExit: () => {} },
    async stop() {
      stopping = true;
      await Promise.all([...children].map((child) => child.kill(5000)));
      await redis.stop();
    },
  };
  const launch = (index: number, restarts: number) => {
    const id = restarts === 0 ? `executor-${index}` : `executor-${index}.${restarts}`;
    const child = spawnGuarded(
      process.execPath,
      // As a person would start it: the command, not one of its modules.
      [entryPoint('cli/main.js'), 'executor', '--id', id, '--slots', String(slots)],
      {
        name: id,
        ipc: 'json',
        // In the environment, because a command line can be read by every user of the machine.
        env: {
          ...process.env,
          ...{ SHEAF_MASTER: redis.url, SHEAF_SECRET: secret },
          ...{ SHEAF_EXECUTOR_LEASEMS: String(leaseMs), SHEAF_SLOT_MEMORY: String(slotMemory) },
          SHEAF_EXECUTOR_GPUS: formatGpuRequest(shareOf(gpus, index, executors)),
          SHEAF_EXECUTOR_SLOTSPERGPU: conf.get('sheaf.executor.slotsPerGpu'),
        },
      },
    );
    children.add(child);
    child.ended.then((code) => {
      children.delete(child);
      if (stopping) return;
      cluster.onExecutorExit(id, describeExit(code));
      if (restarts < MAX_RESTARTS) launch(index, restarts + 1);
      else if (children.size === 0)
        giveUp(new Error(`every executor keeps ending, the last with ${describeExit(code)}: its own output says why`));
    });
  };
  for (let index = 0; index < executors; index++) launch(index, 0);
  return cluster;
}

/**
 * Waits until an executor is heard of, or until it is known why none will be.
 * @param patienceMs default: as long as it takes
 */
function untilHeard(failure: Promise<never>, patienceMs?: number): Cluster['ready'] {
  let failing = false;
  failure.catch(() => {
    failing = true;
  });
  return async (heard) => {
    const late = failure.catch(async (error: Error) => {
      await Promise.race([heard, sleep(FIRST_WORD_MS)]); // another executor may be understood
      throw error;
    });
    const enough = patienceMs === undefined ? [] : [sleep(patienceMs).then(() => (failing ? late : undefined))];
    await Promise.race([heard, late, ...enough]);
  };
}
