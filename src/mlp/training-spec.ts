import type { BackendPreference } from './backends.js';
import type { NumericalPlan } from './numerical-plan.js';

/** What every slot that takes part in a training needs to know; travels once, as a signed block. */
export interface TrainingSpec {
  /** Resident id and scope of the model: `<app>/fit-3`. */
  readonly model: string;
  readonly plan: NumericalPlan;
  readonly backend: BackendPreference;
  readonly features: string;
  readonly label: string;
  /** Class names in the order of the network's outputs; absent for regression. */
  readonly classes?: readonly string[];
}
