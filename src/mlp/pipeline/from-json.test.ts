import { describe, expect, it } from 'vitest';
import { EXAMPLE_MODELS } from '../testing/example-models.js';
import { stageFromJSON } from './from-json.js';

const model = EXAMPLE_MODELS.classifier();
const json = model.toJSON();

describe('what is no stage is refused', () => {
  it.each([
    [null, 'a stage is made of the object that its toJSON gave, with its name as "stage", not of null'],
    [undefined, 'not of undefined'],
    [[], 'with its name as "stage", not of []'],
    [{ stage: 'Word2Vec' }, 'there is no stage "Word2Vec"; there are'],
    [{ stage: 'Pipeline' }, 'a Pipeline has an array of stages, not undefined'],
    [{ stage: 'Pipeline', stages: [null] }, 'with its name as "stage", not of null'],
    [{ stage: 'StandardScaler', column: 'f' }, 'this is no StandardScaler that toJSON gave: '],
    [{ stage: 'MLPClassifier' }, 'this is no MLPClassifier that toJSON gave: '],
  ])('%o', (what, message) => {
    expect(() => stageFromJSON(what as never, [model.theta])).toThrow(message);
    expect(() => stageFromJSON(what as never, [model.theta])).toThrow(TypeError);
  });

  it('and so are the weights of another network', () => {
    expect(() => stageFromJSON(json)).toThrow('MLPClassifier needs weights: those of 0 networks are there');
    expect(() => stageFromJSON(json, [model.theta.subarray(1)])).toThrow(
      `MLPClassifier has a network of ${model.theta.length} weights, and ${model.theta.length - 1} are given`,
    );
    expect(stageFromJSON(json, model.weights)).toBeInstanceOf(model.constructor);
  });
});
