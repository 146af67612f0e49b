/**
 * Recognises what a person is doing from the sensors of the phone in the pocket.
 *
 * Shows: CSV files into Arrow partitions, features computed on columns, a scaler and a network fitted on some people
 * and judged on others, one gradient task a shard and step.
 * Data: MotionSense (Malekzadeh et al. 2018), 24 people, 6 activities, 12 channels at 50 Hz. Without --data the sample in
 * data/motionsense-sample; --data DIR takes the full set (A_DeviceMotion_data or a directory above it); --bad-rows drop leaves
 * out rows with a cell that is no number.
 * Expected on the full set: accuracy at least 0.90 and macro-F1 at least 0.88 on subjects 19 to 24, never seen in training.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type ClassifierOptions, MLPClassifier, type SheafContext, StandardScaler, windowFeatures } from 'sheaf';

const CHANNELS = ['attitude', 'gravity', 'rotationRate', 'userAcceleration'].flatMap((sensor) =>
  (sensor === 'attitude' ? ['roll', 'pitch', 'yaw'] : ['x', 'y', 'z']).map((axis) => `${sensor}.${axis}`),
);
const LAST_TRAINING_SUBJECT = 18;

export default async function main(sc: SheafContext, args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      data: { type: 'string', default: fileURLToPath(new URL('../data/motionsense-sample', import.meta.url)) },
      epochs: { type: 'string', default: '30' },
      seed: { type: 'string', default: '1' },
      aggregation: { type: 'string', default: 'auto' },
      'bad-rows': { type: 'string', default: 'error' },
    },
  });
  const classifier = new MLPClassifier({
    hidden: [128, 64],
    epochs: Number(values.epochs),
    batchSize: 256,
    optimizer: { kind: 'adam', learningRate: 3e-3 },
    l2: 0.03,
    seed: Number(values.seed),
    aggregation: values.aggregation as ClassifierOptions['aggregation'],
  });
  const begun = performance.now();
  const recordings = sc.csv(`${values.data}/**/sub_*.csv`, {
    columns: Object.fromEntries(CHANNELS.map((channel) => [channel, 'float32' as const])),
    pathColumns: /(?<activity>[a-z]+)_(?<trial>\d+)\/sub_(?<subject>\d+)\.csv$/,
    pathTypes: { subject: 'int32', trial: 'int32' },
    batch: 'file',
    badRows: values['bad-rows'] as 'error' | 'drop',
  });
  const windows = recordings
    .mapBatches((batch) =>
      windowFeatures(batch, { size: 128, step: 64, channels: CHANNELS, keep: ['subject', 'activity'] }),
    )
    .cache();
  const train = windows.where('subject', (subject) => subject <= LAST_TRAINING_SUBJECT);
  const test = windows.where('subject', (subject) => subject > LAST_TRAINING_SUBJECT);

  const scaler = await new StandardScaler('features').fit(train);
  const featuresAt = performance.now();
  if ((await test.count()) === 0)
    throw new Error(
      `${values.data} holds no window of subjects above ${LAST_TRAINING_SUBJECT}: nothing to judge a network on`,
    );
  const model = await classifier.fit(scaler.transform(train), { label: 'activity' });
  const trainedAt = performance.now();
  const result = await model.evaluate(scaler.transform(test));
  console.log(result.table);
  return {
    accuracy: result.accuracy,
    macroF1: result.macroF1,
    weightsHash: model.weightsHash,
    planHash: model.plan.hash,
    rows: model.plan.rows + result.rows,
    trainRows: model.plan.rows,
    testRows: result.rows,
    backend: model.backend,
    partitions: await windows.getNumPartitions(),
    shards: model.plan.shards,
    seconds: (performance.now() - begun) / 1000,
    featureSeconds: (featuresAt - begun) / 1000,
    trainingSeconds: (trainedAt - featuresAt) / 1000,
    loss: model.losses.at(-1),
    confusion: { classes: result.classes, counts: result.confusion },
  };
}
