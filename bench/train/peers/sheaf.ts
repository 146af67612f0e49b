/**
 * Sheaf through its public API: rows kept in the slots, then `MLPClassifier.fit`, which deals them to gradient shards, one a
 * slot, trains and commits the state after every epoch.
 *
 *     sheaf.ts MASTER SHARDS AGGREGATION
 */
import { type ArrowRDD, MLPClassifier, SheafContext } from 'sheaf';
import type { Case } from '../cases.js';
import type { Files } from '../data.js';
import { type Fit, serveFits } from './fits.js';

const [master, shards, aggregation] = process.argv.slice(2) as [string, string, string];
const sc = await SheafContext.create({ master, conf: { 'sheaf.eventLog.enabled': 'false' } });

/** Epochs that the last race took. */
let enough = 1;

/** Of the fit at hand. */
const rounds: { readonly ms: number; readonly computeMs?: number }[] = [];
sc.bus.listen((event) => {
  if (event.event === 'round') rounds.push(event);
});

const tables = new Map<string, ArrowRDD>();

async function resident({ images, labels }: Files): Promise<ArrowRDD> {
  let table = tables.get(images);
  if (!table) {
    table = sc.idx(images, labels, { scale: true }).cache();
    await table.count();
    tables.set(images, table);
  }
  return table;
}

/** An option that Sheaf does not know (yet) makes the case one that is skipped. */
function classifier(work: Case, epochs: number, more: object) {
  const { widths, batch, optimizer, precision } = work;
  const options = {
    ...{ hidden: widths.slice(1, -1), epochs, batchSize: batch, shards: Number(shards), seed: 1, optimizer },
    ...(aggregation === 'default' ? {} : { aggregation }),
    ...(precision === 'f32' ? {} : { precision }),
    ...more,
  };
  try {
    return new MLPClassifier(options as ConstructorParameters<typeof MLPClassifier>[0]);
  } catch (error) {
    if (error instanceof TypeError) return { skipped: error.message };
    throw error;
  }
}

async function trained(work: Case, table: ArrowRDD, epochs: number, more: object = {}) {
  const losses: number[] = [];
  const ends: number[] = [];
  const onEpoch = ({ loss }: { loss: number }) => {
    losses.push(loss);
    ends.push(performance.now());
  };
  const trainer = classifier(work, epochs, { ...more, onEpoch });
  if ('skipped' in trainer) return trainer;
  const start = performance.now();
  const model = await trainer.fit(table);
  const seconds = (performance.now() - start) / 1000;
  const epochSeconds = ends.map((end, epoch) => (end - (ends[epoch - 1] ?? start)) / 1000);
  return { model, fit: { seconds, epochSeconds, losses } satisfies Fit };
}

await serveFits({
  async fit({ case: work, train }) {
    const done = await trained(work, await resident(train), work.epochs);
    return 'skipped' in done ? done : done.fit;
  },
  /** Times of the epochs alone, without what a fit does before the first. */
  async course({ case: work, train, options }) {
    rounds.length = 0;
    const done = await trained(work, await resident(train), work.epochs, options);
    if ('skipped' in done) return done;
    const computing = rounds.reduce((sum, { computeMs = Number.NaN }) => sum + computeMs, 0);
    const slots = sc.tasks.slots().length;
    const there = slots * rounds.reduce((sum, { ms }) => sum + ms, 0);
    const { losses } = done.fit;
    return { epochSeconds: rounds.map(({ ms }) => ms / 1000), losses, computeShare: computing / there };
  },
  /**
   * Fits of one epoch, of two, …: the first epochs of equal seeds are equal. The time is that of the last. The next race begins
   * with as many.
   */
  async race({ race, train, test }) {
    const [table, held] = [await resident(train), await resident(test)];
    let accuracy = 0;
    for (let epochs = enough; epochs <= race.maxEpochs; epochs++) {
      const done = await trained(race.case, table, epochs);
      if ('skipped' in done) return done;
      accuracy = (await done.model.evaluate(held)).accuracy;
      if (accuracy < race.target) continue;
      enough = epochs;
      return { seconds: done.fit.seconds, epochs, accuracy };
    }
    return { skipped: `${accuracy.toFixed(4)} after ${race.maxEpochs} epochs` };
  },
});
await sc.stop();
