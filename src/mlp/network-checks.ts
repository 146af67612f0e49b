import { inspect } from 'node:util';
import { INITIALIZERS, type Initializer, type InitializerName } from './initializers.js';
import {
  type Activation,
  type ActivationName,
  activationOf,
  type HiddenLayer,
  type LossName,
  lossOf,
  type Network,
} from './network.js';

/** A value's form: the test, and what to say it must be. */
type Form = readonly [fits: (value: unknown) => boolean, what: string];
type Forms = Readonly<Record<string, Form>>;

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
const amount: Form = [(value) => isNumber(value) && value >= 0, 'a number of at least 0'];
const positive: Form = [(value) => isNumber(value) && value > 0, 'a number above 0'];
const number: Form = [isNumber, 'a number'];
const fraction: Form = [(value) => isNumber(value) && value >= 0 && value < 1, 'a number from 0 to below 1'];
const flag: Form = [(value) => typeof value === 'boolean', 'true or false'];
const anything: Form = [() => true, ''];
const amounts: Form = [
  (value) => Array.isArray(value) && value.every((weight) => amount[0](weight)),
  'an array of numbers of at least 0',
];

const NETWORK: Forms = {
  inputs: anything,
  hidden: [Array.isArray, 'an array of layers'],
  outputs: anything,
  loss: anything,
  classWeights: amounts,
  l1: amount,
  l2: amount,
  kernelInitializer: anything,
  biasInitializer: anything,
};
const BATCH: Forms = { momentum: fraction, epsilon: positive };
const LAYER: Forms = { epsilon: positive };
const HIDDEN: Readonly<Record<NonNullable<HiddenLayer['kind']>, Forms>> = {
  dense: {
    units: anything,
    activation: anything,
    normalization: anything,
    dropout: fraction,
    kernelInitializer: anything,
    biasInitializer: anything,
  },
  'batch-normalization': BATCH,
  'layer-normalization': LAYER,
  activation: { activation: anything },
  dropout: { rate: fraction },
};
const PARAMETERS: Readonly<Record<ActivationName, Forms>> = {
  relu: {},
  'leaky-relu': { negativeSlope: amount },
  elu: { alpha: amount },
  gelu: { approximate: flag },
  tanh: {},
  sigmoid: {},
  softplus: {},
  linear: {},
};
const LOSS: Readonly<Record<LossName, Forms>> = {
  'softmax-cross-entropy': { labelSmoothing: fraction },
  'binary-cross-entropy': { labelSmoothing: fraction, positiveWeights: amounts },
  'mean-squared-error': {},
  'mean-absolute-error': {},
  huber: { delta: positive },
};
const INITIALIZER: Readonly<Partial<Record<InitializerName, Forms>>> = {
  orthogonal: { gain: number },
  constant: { value: number },
  'random-normal': { mean: number, deviation: positive },
  'truncated-normal': { mean: number, deviation: positive },
  'random-uniform': { low: number, high: number },
};

/**
 * Checks a network description: before any data is read, for a long job must not fail late for a typing error.
 *
 * @throws RangeError for widths that are no positive integers; TypeError naming a part that is not known or does not fit
 */
export function checkNetwork(network: Network): void {
  checkForms('network', network, NETWORK);
  checkWidths(network);
  checkInitializer('network', network);
  network.hidden.forEach((layer, i) => void checkLayer(`hidden[${i}]`, layer));
  checkLoss(network);
}

function checkWidths({ inputs, hidden, outputs }: Network): void {
  const widths = [inputs, ...hidden.flatMap((layer) => ('units' in layer ? [layer.units] : [])), outputs];
  for (const width of widths)
    if (!Number.isSafeInteger(width) || width < 1)
      throw new RangeError(`network widths must be positive integers, got ${widths.join('-')}`);
}

function checkLayer(where: string, layer: HiddenLayer): void {
  const kind = layer.kind ?? 'dense';
  checkForms(where, layer, choose(where, HIDDEN, kind));
  switch (layer.kind) {
    case undefined:
    case 'dense': {
      if (!('units' in layer)) throw new TypeError(`network: ${where} needs units, or the kind of another layer`);
      checkActivation(where, layer.activation);
      checkInitializer(where, layer);
      const { normalization } = layer;
      if (normalization === undefined || normalization === 'batch' || normalization === 'layer') return;
      const { kind } = normalization as { kind?: string };
      const forms = choose(
        `${where}.normalization`,
        { batch: BATCH, layer: LAYER, 'batch-normalization': BATCH, 'layer-normalization': LAYER },
        kind ?? (normalization as unknown as string),
      );
      checkForms(`${where}.normalization`, normalization, forms);
      return;
    }
    case 'activation':
      if (layer.activation === undefined) throw new TypeError(`network: ${where} needs an activation`);
      checkActivation(where, layer.activation);
      return;
    case 'dropout':
      if (layer.rate === undefined) throw new TypeError(`network: ${where} needs a rate`);
  }
}

function checkActivation(where: string, activation: Activation | undefined): void {
  if (activation === undefined) return;
  const kind = typeof activation === 'string' ? activation : (activation as { kind?: unknown } | null)?.kind;
  const forms = choose(`${where}.activation`, PARAMETERS, kind ?? activation);
  checkForms(`${where}.activation`, activationOf(activation), forms);
  if (typeof activation !== 'string') checkForms(`${where}.activation`, activation, forms);
}

function checkInitializer(
  where: string,
  { kernelInitializer, biasInitializer }: { kernelInitializer?: Initializer; biasInitializer?: Initializer },
): void {
  for (const [name, initializer] of Object.entries({ kernelInitializer, biasInitializer })) {
    if (initializer === undefined) continue;
    const kind = typeof initializer === 'string' ? initializer : (initializer as { kind?: unknown } | null)?.kind;
    const forms = Object.fromEntries(INITIALIZERS.map((known) => [known, INITIALIZER[known] ?? {}]));
    const own = choose(`${where}.${name}`, forms, kind ?? initializer);
    if (typeof initializer !== 'string') checkForms(`${where}.${name}`, initializer, own);
  }
}

function checkLoss({ loss, outputs, classWeights }: Network): void {
  const kind = typeof loss === 'string' ? loss : loss?.kind;
  const forms = choose('loss', LOSS, kind);
  if (typeof loss !== 'string') checkForms('loss', loss, forms);
  const complete = lossOf(loss);
  if (kind === 'softmax-cross-entropy' && outputs < 2)
    throw new TypeError(
      "network: softmax cross-entropy needs two outputs or more; for two classes by one output: 'binary-cross-entropy'",
    );
  if (complete.kind === 'binary-cross-entropy') expectLength('loss.positiveWeights', complete.positiveWeights, outputs);
  const classes = kind === 'softmax-cross-entropy' ? outputs : kind === 'binary-cross-entropy' && outputs === 1 ? 2 : 0;
  if (classWeights && classes === 0)
    throw new TypeError(
      `network: classWeights need one class a row; ${kind} with ${outputs} outputs has none` +
        (kind === 'binary-cross-entropy' ? ' (loss.positiveWeights weigh its outputs)' : ''),
    );
  expectLength('classWeights', classWeights, classes);
}

function expectLength(name: string, values: readonly number[] | undefined, length: number): void {
  if (values && values.length !== length)
    throw new TypeError(`network: ${name} must have ${length} numbers, got ${values.length}`);
}

function choose(where: string, table: Readonly<Record<string, Forms>>, kind: unknown): Forms {
  if (typeof kind === 'string' && Object.hasOwn(table, kind)) return table[kind]!;
  throw new TypeError(`network: ${where} must be one of ${Object.keys(table).join(', ')}, not ${inspect(kind)}`);
}

function checkForms(where: string, object: object, forms: Forms): void {
  for (const [name, value] of Object.entries(object)) {
    if (name === 'kind' || value === undefined) continue;
    if (!Object.hasOwn(forms, name))
      throw new TypeError(
        `network: ${where} has no "${name}"; it takes ${Object.keys(forms).join(', ') || 'nothing more'}`,
      );
    const [fits, what] = forms[name]!;
    if (!fits(value))
      throw new TypeError(`network: ${name} of ${where} must be ${what}, not ${inspect(value, { breakLength: 200 })}`);
  }
}
