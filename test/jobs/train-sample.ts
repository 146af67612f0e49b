import { type ArrowRDD, type ClassifierOptions, MLPClassifier, type SheafContext, windowFeatures } from 'sheaf';

const CHANNELS = ['userAcceleration.x', 'userAcceleration.y', 'userAcceleration.z'];

/** Windows of two people's recordings; one cached partition holds several files. */
export function sampleWindows(sc: SheafContext, data: string): ArrowRDD {
  return sc
    .csv(
      `${data}/**/sub_[12].csv`,
      {
        columns: Object.fromEntries(CHANNELS.map((channel) => [channel, 'float32' as const])),
        pathColumns: /(?<activity>[a-z]+)_(?<trial>\d+)\/sub_(?<subject>\d+)\.csv$/,
        pathTypes: { subject: 'int32', trial: 'int32' },
        batch: 'file',
      },
      4,
    )
    .mapBatches((batch) => windowFeatures(batch, { size: 64, step: 8, channels: CHANNELS, keep: ['activity'] }))
    .cache();
}

/** Theta is three chunks long: members of an all-reduce own parts of different length. */
export async function trainSample(
  sc: SheafContext,
  data: string,
  epochs: number,
  aggregation: ClassifierOptions['aggregation'],
  more: ClassifierOptions = {},
) {
  const windows = sampleWindows(sc, data);
  const options = { hidden: [80, 64], epochs, batchSize: 64, seed: 3, shards: 8, aggregation };
  const classifier = new MLPClassifier({ ...options, ...more });
  const model = await classifier.fit(windows, { label: 'activity' });
  return { weightsHash: model.weightsHash, loss: model.losses.at(-1), epochs: model.losses.length };
}
