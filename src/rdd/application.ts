import { randomBytes } from 'node:crypto';
import type { BlockFiles } from '../executor/block-files.js';
import { type Handle, type LargeCapture, prepareShipping } from '../executor/closure/index.js';
import type { BlockRef, Blocks } from '../protocol/block.js';
import { startCluster } from '../scheduler/cluster.js';
import { Conf, type Settings, settingsFromEnvironment } from '../scheduler/conf.js';
import { DagScheduler } from '../scheduler/dag-scheduler.js';
import { EventBus } from '../scheduler/event-bus.js';
import { TaskScheduler } from '../scheduler/task-scheduler.js';
import { accumulate } from './accumulator.js';
import { Broadcasts } from './broadcasts.js';
import { Closers, openDriverBlocks, openEventLog, warnOfUnreachable } from './driver-home.js';
import { listJobFiles, provideFiles, shipFiles } from './job-files.js';
import { Replicator } from './persistence/replicator.js';
import { shipStage } from './ship-stage.js';
import { storageSettings } from './storage/settings.js';
import { openStorage, type Storage } from './storage/storage.js';

export interface ContextOptions {
  /** `local[N]`, `local[*]` (default), `local-cluster[E,S]`, `redis://…`. */
  readonly master?: string;
  readonly appName?: string;
  /** Settings by name; these are the strongest. */
  readonly conf?: Settings;
  /** Weaker layers, strongest first (flags, properties file). Default: none. The environment is always the weakest. */
  readonly layers?: readonly Settings[];
  /** Events are told here too. */
  readonly bus?: EventBus;
  /** The job's file, when it was submitted as a bundle: its functions resolve in the executors' copy. */
  readonly bundle?: { readonly code: string; readonly file: string };
}

/** What a context stands on: the driver's side of a running application. */
export interface Application {
  /** Its id, and the scope above all it owns. */
  readonly app: string;
  readonly conf: Conf;
  readonly bus: EventBus;
  readonly tasks: TaskScheduler;
  readonly dag: DagScheduler;
  readonly blocks: BlockFiles;
  readonly broadcasts: Broadcasts;
  readonly storage: Storage;
  readonly closers: Closers;
}

/** Opens an application and waits for its first slots; if that fails half-way, what was opened is closed again. */
export async function openApplication(options: ContextOptions, start = startCluster): Promise<Application> {
  const conf = settingsOf(options, process.env);
  const files = listJobFiles(conf.get('sheaf.files'));
  const closers = new Closers();
  try {
    return await open(conf, files, options, closers, start);
  } catch (error) {
    await closers.close().catch(() => {}); // the first error says more
    throw error;
  }
}

async function open(
  conf: Conf,
  files: ReadonlyMap<string, string>,
  { bus = new EventBus(), bundle }: ContextOptions,
  closers: Closers,
  start: typeof startCluster,
): Promise<Application> {
  const app = `app-${Date.now().toString(36)}-${randomBytes(3).toString('hex')}`;
  openEventLog(conf, app, bus, closers);
  const cluster = await start(conf, app, ['rdd/stage-program']);
  closers.add(() => cluster.stop());
  const blocks = await openDriverBlocks(app, cluster.secret, closers);
  const tasks = new TaskScheduler(cluster.channel, bus, {
    driver: app,
    depth: cluster.depth,
    maxFailures: conf.number('sheaf.task.maxFailures'),
    localityWaitMs: conf.number('sheaf.locality.waitMs'),
    executorWaitMs: conf.number('sheaf.executor.waitMs'),
  });
  closers.add(() => tasks.close());
  warnOfUnreachable(blocks.home, bus, tasks);
  cluster.onExecutorExit = (executor, reason) => tasks.executorGone(executor, reason);
  provideFiles(files);
  closers.add(() => provideFiles(undefined));
  const broadcasts = new Broadcasts(app, tasks, blocks, (scope) => dag.release(scope));
  const shipping = {
    bundle: bundle && (await shipBundle(bundle, app, blocks)),
    files: await shipFiles(files, app, blocks),
    storage: storageSettings(conf),
    executors: () => tasks.executors().length,
    warn: (message: string) => bus.emit({ event: 'warning', message }),
    capture: (capture: LargeCapture, operator: string) => broadcasts.capture(capture, operator),
    distribute: (handles: Iterable<Handle>) => broadcasts.distribute(handles),
  };
  const dag = new DagScheduler(
    tasks,
    blocks,
    (stage, scope, name) => shipStage(stage, scope, name, blocks, shipping),
    conf.bytes('sheaf.skew.bytes'),
  );
  dag.onRelease = (scope) => blocks.release(scope);
  dag.counts.accumulate = (accumulated) => accumulate(accumulated, blocks);
  const replicator = new Replicator(app, dag, blocks);
  dag.onStageEnd = () => replicator.run();
  const master = conf.toJSON()['sheaf.master'] ?? conf.get('sheaf.master');
  bus.emit({ event: 'app-start', app, name: conf.get('sheaf.app.name'), master, conf: conf.toJSON() });
  const heard = new Promise<void>((resolve) => bus.listen(({ event }) => event === 'executor-joined' && resolve()));
  closers.add(prepareShipping(shipping.bundle?.block.sha256));
  await tasks.open();
  await cluster.ready(heard);
  await tasks.slotsAvailable(Math.max(1, cluster.expectedSlots));
  return { app, conf, bus, tasks, dag, blocks, broadcasts, storage: openStorage(shipping.storage), closers };
}

/** Settings after precedence: code, then the layers, then the environment. @throws Error for an unknown or bad setting */
function settingsOf({ conf, master, appName, layers = [] }: ContextOptions, environment: NodeJS.ProcessEnv): Conf {
  const code = {
    ...conf,
    ...(master ? { 'sheaf.master': master } : {}),
    ...(appName ? { 'sheaf.app.name': appName } : {}),
  };
  return new Conf(code, ...layers, settingsFromEnvironment(environment));
}

async function shipBundle(
  { code, file }: NonNullable<ContextOptions['bundle']>,
  app: string,
  blocks: Blocks,
): Promise<{ block: BlockRef; file: string }> {
  return { block: await blocks.put('bundle', app, Buffer.from(code), { code: true }), file };
}
