import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventBus, MLPClassifier, SheafContext, type TimedEvent, windowFeatures } from 'sheaf';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

const FILES = 56;
const ROWS = 900;
/** A row in one file has a cell too many. */
const BAD_FILE = 17;

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-partitions-'));
  for (let file = 0; file < FILES; file++) {
    const label = ['still', 'moving'][file % 2]!;
    const rows = Array.from({ length: ROWS }, (_, t) => {
      const swing = Math.sin(t / (3 + (file % 5))) * (file % 2 === 0 ? 0.1 : 2);
      return `${swing.toFixed(6)},${(swing * swing - file / 100).toFixed(6)},${t}`;
    });
    if (file === BAD_FILE) rows[5] = `${rows[5]},1`;
    mkdirSync(join(directory, 'data', label), { recursive: true });
    writeFileSync(
      join(directory, 'data', label, `${String(file).padStart(2, '0')}.csv`),
      `x,y,t\n${rows.join('\n')}\n`,
    );
  }
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let states = 0;
beforeEach(() => {
  vi.stubEnv('XDG_STATE_HOME', join(directory, `state-${states++}`));
});
afterEach(() => vi.unstubAllEnvs());

/** A context of its own, so that each run starts as a new job does; the events of the run. */
async function run<T>(conf: Record<string, string>, job: (sc: SheafContext) => Promise<T>) {
  const events: TimedEvent[] = [];
  const bus = new EventBus();
  bus.listen((event) => events.push(event));
  const sc = await SheafContext.create({
    master: 'local[2]',
    bus,
    conf: { 'sheaf.eventLog.enabled': 'false', 'sheaf.backend': 'tfjs-wasm', ...conf },
  });
  try {
    return { result: await job(sc), events };
  } finally {
    await sc.stop();
  }
}

function recordings(sc: SheafContext, partitions?: number) {
  return sc.csv(
    `${directory}/data`,
    {
      columns: { x: 'float32', y: 'float32' },
      pathColumns: /(?<label>still|moving)\/\d+\.csv$/,
      batch: 'file',
      badRows: 'drop',
    },
    partitions,
  );
}

function windows(sc: SheafContext, partitions?: number) {
  return recordings(sc, partitions).mapBatches((batch) =>
    windowFeatures(batch, { size: 64, step: 32, channels: ['x', 'y'], keep: ['label'] }),
  );
}

function plans(events: readonly TimedEvent[]) {
  return events.filter((event) => event.event === 'plan');
}

describe('the partitions of a source', () => {
  it('are chosen by a probe, told with reason, prediction and outcome, and the next time from history', async () => {
    const job = async (sc: SheafContext) => {
      const table = windows(sc);
      return { rows: await table.count(), partitions: await table.getNumPartitions() };
    };
    const first = await run({}, job);
    const [plan] = plans(first.events);
    expect(plan!.what).toMatch(/^partitions of csv at partitions\.test\.ts:\d+$/);
    expect(plan!.choice).toBe(first.result.partitions);
    expect(plan!.reason).toMatch(
      /^56 pieces of 1\.\d MB in all on 2 slots, a task costs .* predicted .*; measured on \d+ of them in /,
    );
    expect(plan!.predictedMs).toBeGreaterThan(0);
    const [outcome] = first.events.filter((event) => event.event === 'plan-measured');
    expect(outcome!.what).toBe(plan!.what);
    expect(outcome!.predictedMs).toBe(plan!.predictedMs);
    expect(outcome!.measuredMs).toBeGreaterThan(0);

    const second = await run({}, job);
    expect(plans(second.events)[0]!.reason).toMatch(/; from 1 earlier run$/);
    expect(probes(second.events)).toBe(0);
    expect(second.result.rows).toBe(first.result.rows);
    const history = readFileSync(join(process.env.XDG_STATE_HOME!, 'sheaf', 'history.jsonl'), 'utf8');
    expect(JSON.parse(history.split('\n')[0]!)).toMatchObject({ bytes: (plan!.details as { bytes: number }).bytes });
  });

  it('are what was asked for, by a setting or by the program', async () => {
    const pinned = await run({ 'sheaf.partitions': '5' }, (sc) => windows(sc).countPerPartition());
    expect(pinned.result).toHaveLength(5);
    expect(plans(pinned.events)).toMatchObject([{ choice: 5, reason: 'pinned by sheaf.partitions' }]);
    expect(probes(pinned.events)).toBe(0);

    const measured = await run({ 'sheaf.partitions': '500', 'sheaf.probe': 'always' }, (sc) =>
      windows(sc).countPerPartition(),
    );
    expect(measured.result).toHaveLength(FILES);
    expect(plans(measured.events)[0]!.reason).toMatch(
      /^pinned by sheaf\.partitions at 500, but there are only 56 pieces: predicted .*; the model would take \d+ /,
    );
    expect(probes(measured.events)).toBeGreaterThan(0);

    const program = await run({ 'sheaf.partitions': '5' }, (sc) => windows(sc, 3).countPerPartition());
    expect(program.result).toHaveLength(3);
    expect(plans(program.events)[0]!.reason).toMatch(/^pinned by the program/);
  });

  it('foretell the scheduler how many tiny tasks a message should carry, from the first on', async () => {
    const messages = async (conf: Record<string, string>) => {
      const sizes: number[] = [];
      await run(conf, async (sc) => {
        const table = windows(sc);
        await table.getNumPartitions();
        const { channel } = sc.tasks;
        const send = channel.send.bind(channel);
        channel.send = (messages) => {
          sizes.push(...messages.map(({ tasks }) => tasks.length));
          return send(messages);
        };
        await table.count();
      });
      return sizes;
    };
    const unknown = await messages({ 'sheaf.partitions': String(FILES) });
    expect(unknown.slice(0, 2)).toEqual([1, 1]);
    const foretold = await messages({ 'sheaf.partitions': String(FILES), 'sheaf.probe': 'always' });
    expect(Math.min(...foretold.slice(0, 2))).toBeGreaterThan(1);
  });

  it('follow a rule of thumb without measurements', async () => {
    const off = await run({ 'sheaf.probe': 'off' }, (sc) => windows(sc).countPerPartition());
    expect(off.result).toHaveLength(4);
    expect(plans(off.events)).toMatchObject([
      { choice: 4, reason: 'sheaf.probe is off: 2 a slot, at most one a piece', predictedMs: undefined },
    ]);
    const tiny = await run({}, (sc) => sc.csv(`${directory}/data/still/0*.csv`).countPerPartition());
    expect(plans(tiny.events)[0]!.reason).toMatch(/ kB are too little to measure: 2 a slot/);
  });

  it('never change the numbers of a run, nor what is counted', async () => {
    const job = async (sc: SheafContext) => {
      const table = windows(sc).cache();
      const model = await new MLPClassifier({ hidden: [6], epochs: 2, batchSize: 64, seed: 3 }).fit(table);
      return { hash: model.weightsHash, accuracy: (await model.evaluate(table)).accuracy };
    };
    const runs = [
      await run({}, job),
      await run({ 'sheaf.partitions': '1' }, job),
      await run({ 'sheaf.partitions': '7' }, job),
    ];
    expect(probes(runs[0]!.events)).toBeGreaterThan(0);
    expect(new Set(runs.map(({ result }) => result.hash)).size).toBe(1);
    expect(new Set(runs.map(({ result }) => result.accuracy)).size).toBe(1);
    for (const { events } of runs)
      expect(events.filter((event) => event.event === 'dropped')).toMatchObject([{ what: 'badRows', count: 1 }]);
  });

  it('are planned once by jobs that run at the same time', async () => {
    const both = await run({}, async (sc) => {
      const table = windows(sc);
      return Promise.all([table.count(), table.countPerPartition()]);
    });
    expect(plans(both.events)).toHaveLength(1);
    expect(both.result[0]).toBe(both.result[1].reduce((a, b) => a + b));
  });

  it('leave errors of the stage to the job', async () => {
    const events: TimedEvent[] = [];
    const failing = run({}, async (sc) => {
      sc.bus.listen((event) => events.push(event));
      return recordings(sc)
        .map((row) => {
          if (row.x !== undefined) throw new Error('no such sensor');
          return row;
        })
        .count();
    });
    await expect(failing).rejects.toThrow('no such sensor');
    expect(plans(events)[0]!.reason).toMatch(/^the probe failed \(.*no such sensor.*\): 2 a slot/);
  });

  it('of several sources that one stage reads are held against the time of that stage', async () => {
    const { events } = await run({}, (sc) => windows(sc).union(windows(sc)).count());
    expect(plans(events)).toHaveLength(2);
    const outcomes = events.filter((event) => event.event === 'plan-measured');
    expect(outcomes).toHaveLength(1);
    expect(outcomes[0]!.what).toBe(
      plans(events)
        .map(({ what }) => what)
        .join(' and '),
    );
  });
});

function probes(events: readonly TimedEvent[]): number {
  return events.filter((event) => event.event === 'job-start' && event.name.startsWith('probe of ')).length;
}
