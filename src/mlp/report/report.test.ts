import { describe, expect, it } from 'vitest';
import { classMetrics } from '../metrics/confusion.js';
import { numericalPlan } from '../numerical-plan.js';
import { drawCurves } from './curves.js';
import { drawConfusion } from './heat-map.js';
import { reportHtml } from './html.js';
import { drawReport, pngOf } from './picture.js';
import { curvesOf, reportData, type TrainingReport } from './report.js';
import { escaped, shortened } from './svg.js';

const network = {
  inputs: 4,
  hidden: [{ units: 8, activation: 'relu' }],
  outputs: 3,
  loss: 'softmax-cross-entropy',
} as const;
const optimizer = { kind: 'adam', learningRate: 0.01 } as const;
const model = {
  network,
  plan: numericalPlan({ rows: 150, batchSize: 32, epochs: 3, seed: 1, network, optimizer }),
  losses: [1.1, 0.6, 0.2],
  backend: 'TensorFlow 2.21.0 (CPU)',
  weightsHash: 'abc123',
  theta: new Float32Array(67),
  target: { kind: 'class', column: 'species', classes: ['ann', 'bob', 'cleo'] } as const,
};
const classes = ['ann', '<b>bob</b>', 'cleo'];
const confusion = [
  [50, 0, 0],
  [1, 48, 1],
  [0, 2, 48],
];
const cells = confusion.flatMap((row, actual) => row.map((count, predicted) => ({ actual, predicted, count })));
const perClass = classMetrics({ classes: 3, cells });
const evaluation = { perClass, rows: 150, accuracy: 0.9733, macro: { f1: 0.9733 }, classes, confusion, table: 'text' };
const report: TrainingReport = { model, evaluation, facts: { exchangedBytes: 1234567, machine: 'two cores' } };

describe('reportData', () => {
  it('holds curves, confusion matrix, measures, classes and plan', () => {
    const { title, figures, tables } = reportData(report);
    expect(title).toBe('species: network 4-8-3');
    expect(figures.map((figure) => figure.title)).toEqual(['loss', 'Confusion matrix']);
    expect(tables.map((table) => table.title)).toEqual(['Evaluation', 'Classes', 'Training']);
    expect(tables[0]!.rows).toEqual([
      ['rows', '150'],
      ['accuracy', '0.9733'],
      ['macro f1', '0.9733'],
    ]);
    expect(tables[1]!.rows[1]).toEqual(['<b>bob</b>', '0.960', '0.960', '0.960', '50']);
    const training = Object.fromEntries(tables[2]!.rows as [string, string][]);
    expect(training).toMatchObject({
      'numerical plan': model.plan.hash,
      weights: 'abc123',
      'exchanged bytes': '1,234,567',
    });
    expect(training.optimizer).toBe('adam, learning rate 0.01');
  });

  it('says when a training ended, and whose weights were kept', () => {
    const rowsOf = (data: ReturnType<typeof reportData>) =>
      data.tables.at(-1)!.rows.map(([name, value]) => [name, value]);
    expect(rowsOf(reportData({ model: { ...model, epoch: 3 } })).flat()).not.toContain('weights of epoch');
    const early = rowsOf(reportData({ model: { ...model, losses: [1.1, 0.6], epoch: 1 } }));
    expect(early).toContainEqual(['ended after epoch', '2']);
    expect(early).toContainEqual(['weights of epoch', '1']);
  });

  it('does without an evaluation', () => {
    expect(reportData({ model }).tables.map((table) => table.title)).toEqual(['Training']);
  });
});

it('curves with gaps at their ends keep the place of what is missing', () => {
  const points = [1, 2, 3, 4].map((epoch) => [epoch, epoch < 3 ? epoch : Number.POSITIVE_INFINITY] as const);
  const { body } = drawCurves({
    kind: 'curves',
    title: 'noise scale',
    x: 'epoch',
    series: [{ name: 'training', points }],
  });
  expect([...body.matchAll(/text-anchor="middle"[^>]*>(\d)</g)].map(([, tick]) => tick)).toEqual(['1', '2', '3', '4']);
});

describe('curvesOf', () => {
  it('draws validation beside training, and every number of the reports', () => {
    const reports = [
      { epoch: 1, loss: 2, validationLoss: 3, seconds: 1, note: 'x' },
      { epoch: 2, loss: 1, validationAccuracy: 0.5 },
    ];
    const points = (chart: ReturnType<typeof curvesOf>[number]) =>
      chart.series.map(({ name, points }) => [name, points]);
    const [loss, seconds, accuracy] = curvesOf(reports);
    expect(points(loss!)).toEqual([
      [
        'training',
        [
          [1, 2],
          [2, 1],
        ],
      ],
      ['validation', [[1, 3]]],
    ]);
    expect([loss!.x, seconds!.title, accuracy!.title]).toEqual(['epoch', 'seconds', 'validation accuracy']);
  });

  it('counts reports that have neither step nor epoch', () => {
    expect(curvesOf([{ loss: 2 }, { loss: 1 }])).toMatchObject([
      {
        x: 'report',
        series: [
          {
            points: [
              [1, 2],
              [2, 1],
            ],
          },
        ],
      },
    ]);
  });
});

describe('reportHtml', () => {
  const html = reportHtml(reportData(report));

  it('is one file without scripts and addresses', () => {
    expect(html).not.toMatch(/<script|<link|<img|src=|url\(|https?:\/\/(?!www\.w3\.org\/2000\/svg)/);
    expect(html.match(/<svg /g)).toHaveLength(2);
  });

  it('shows names as they are, whatever signs are in them', () => {
    expect(html).toContain('&#60;b&#62;bob&#60;/b&#62;');
    expect(html).not.toContain('<b>');
  });
});

describe('pictures', () => {
  it('become PNGs with texts in them, on a machine without fonts', async () => {
    const drawing = drawReport(reportData(report));
    const png = await pngOf(drawing);
    expect(png.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual(
      [2 * drawing.width, 2 * drawing.height].map(Math.ceil),
    );
    const silent = await pngOf({ ...drawing, body: drawing.body.replace(/<text.*?<\/text>/g, '') });
    expect(png.length).toBeGreaterThan(2 * silent.length);
  });

  it('refuse more classes than can be seen, which a report then leaves out', () => {
    const many = Array.from({ length: 300 }, (_, k) => `class ${k}`);
    const counts = many.map((_, i) => many.map((_, j) => Number(i === j)));
    expect(() => drawConfusion({ kind: 'confusion', title: '', classes: many, counts })).toThrow(/300 classes/);
    const data = reportData({
      model,
      evaluation: { classes: many, confusion: counts, perClass: many.map(() => perClass[0]!) },
    });
    expect(data.figures.map(({ kind }) => kind)).toEqual(['curves']);
    expect(drawReport(data).body).toContain('… 241 more');
  });
});

it('escaped texts are XML', () => {
  expect(escaped('a<b>&"\'\0\ud800\t😀')).toBe('a&#60;b&#62;&#38;&#34;&#39;\ufffd\ufffd\t😀');
  expect([shortened('abcdef', 4), shortened('abcd', 4), shortened('😀😀😀', 2)]).toEqual(['abc…', 'abcd', '😀…']);
});
