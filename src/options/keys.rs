//! Every option key: the one table of names, ranges, defaults and meanings.
//!
//! The default is the paper's setting (Winterhalder, Bellagente, Nachman, sections 4.1 to 4.3, as the text has it)
//! wherever the paper gives one. `.fast(..)` is the value in the preset `fast`, where it differs.

use super::choices::{
    methods, Backend, Coupling, Generator, Inputs, Kept, Mass, Pullback, Schedule,
};
use super::key::{choice, float, int, text, Interval, Key, Row};
use crate::model::{Dtype, Method, Start, Transform, MOST_TRIES};
use crate::objective::Separation;

type Int = i64;
type Float = f64;
type Text = &'static str;

const MAX: i64 = i64::MAX;
/// Most events or latents of an option: to make and look at more takes days, and no double tells their mean weight from that of fewer.
const EVENTS: i64 = 1_000_000_000;

/// Declares a group of keys: their constants, and the group's rows of the table.
macro_rules! keys {
    ($($group:ident { $(#[doc = $doc:literal] $name:ident: $kind:ty = $key:expr;)* })*) => {
        $($(
            #[doc = $doc]
            pub const $name: Key<$kind> = $key.doc($doc);
        )*
        const $group: &[&dyn Row] = &[$(&$name),*];)*
    };
}

keys! {
    GENERAL {
        /// Seed of training: initial weights, shuffles, noise.
        SEED: Int = int("seed", 0, MAX, 1);
        /// Precision of training and evaluation.
        DTYPE: Dtype = choice("dtype", &[("float32", Dtype::Float32), ("float64", Dtype::Float64)], Dtype::Float32);
        /// Where networks run: `cpu`, `cuda` or `cuda:N`. A device that cannot be used is an error, never replaced.
        DEVICE: Text = text("device", &["cpu", "cuda", "cuda:N"], "cpu");
        /// Who trains and computes networks: the library's own CPU engine, libtorch, or (`auto`) the one on the CPU and the other on CUDA.
        BACKEND: Option<Backend> = choice("backend", &[("auto", None), ("engine", Some(Backend::Engine)), ("torch", Some(Backend::Torch))], None);
        /// Threads of a training or an evaluation; 1 means none besides the caller's. Samplers have their own key.
        THREADS: Int = int("threads", 1, 1024, 1);
        /// How often a training whose loss leaves the finite numbers, or explodes, falls back to its last good state with half its step, before it fails.
        TRAINING_FALLBACKS: Int = int("training.fallbacks", 0, 100, 3);
        /// Events held out of a source; their loss is reported and decides early stopping.
        VALIDATION_EVENTS: Int = int("validation.events", 0, EVENTS, 20_000);
        /// At most this fraction of an array is held out.
        VALIDATION_FRACTION: Float = float("validation.fraction", Interval::from_below(0.0, 0.5), 0.1);
        /// How networks see the features: one word for all of them; a list with commas, one for each column of the source, conditions included; or a list by name, as `m_ll = log(40), phi = periodic(-pi:pi)`, of which the others are `auto` (in JSON also an object). `none`; `standardise`; `asinh` for long tails; `auto`, one of these two as the sample has it; `log(0)` for features above 0; `logit(0:1)` for features between 0 and 1; `periodic(-pi:pi)` for angles; `integer`, `integer(0:)` and `integer(0:60)` for whole numbers; `category(3)` for classes 0, 1, 2; `zeros(0)` and `zeros(0, log)` for features that are exactly 0 with some probability and above it otherwise. Bounded features stay within their bounds. Checked when a training begins.
        FEATURES_SCALING: Text = text("features.scaling", &[], "auto");
        /// What the values of a row are called, with commas between, conditions included: `m_ll, pt, phi`. Warnings, `support` and `features.scaling` use the names, and the model keeps them. Empty: they go by their numbers.
        FEATURES_NAMES: Text = text("features.names", &[], "");
        /// Where events can be: a condition in the features (and conditions behind them), by name or as `x0`, `x1` … or `x[i]`, as `x0 >= x1 and hypot(x2, x3) > 20`. Refined events are never outside. There are comparisons, `and`, `or`, `not`, `+ - * / **`, `abs`, `sqrt`, `exp`, `log`, `min`, `max`, `hypot`, `atan2`, trigonometric and hyperbolic functions and `pi`. Empty: everywhere. Checked when a training begins.
        SUPPORT: Text = text("support", &[], "");
        /// Formulas of the features (and conditions behind them), as `support` has them, with `;` between: `sqrt(2 * pt1 * pt2 * (cosh(eta1 - eta2) - cos(phi1 - phi2)))`. They are not learned; the report compares their distributions as those of single features, of an unfolding at detector level. Name what the events are for: a mass that comes of momenta may be wrong where these are right one by one. Checked when a training begins.
        OBSERVABLES: Text = text("observables", &[], "");
        /// Share of the target's events that may lie outside `support`, as where data have a resolution: they are left out and counted. With 0 the first is an error.
        SUPPORT_OUTSIDE: Float = float("target.outside", Interval::from_below(0.0, 1.0), 0.0);
        /// C: so many of the last values of a source's rows are the condition that the others are given (incident energy, ...). A generator made of them is conditional, and so is all that refines it.
        CONDITIONS: Int = int("conditions", 0, 65_536, 0);
        /// What kind of generator to train.
        GENERATOR_TYPE: Generator = choice("generator.type", &[("flow", Generator::Flow), ("gan", Generator::Gan), ("vae", Generator::Vae)], Generator::Flow);
        /// N, the latent dimensions of a GAN or VAE; 0 means as many as features, which a flow always has. A GAN leaves out less with twice as many.
        GENERATOR_LATENT: Int = int("generator.latent", 0, 65_536, 0);
    }
    SOURCE {
        /// Column of a file of events that holds their weights, by its name or number, from 0. Empty: they have none.
        SOURCE_WEIGHT: Text = text("source.weight", &[], "");
        /// MiB of events that a file is held in memory by: one that takes no more, in double precision, is read at once; of a larger one, parts of this size are read one after the other, and shuffled each.
        SOURCE_MEMORY: Int = int("source.memory", 1, 1 << 20, 64);
        /// Events of a callback among which the next is drawn, so that those which come one after the other are spread; 0: as they come. An array or a file is shuffled without.
        SOURCE_SHUFFLE: Int = int("source.shuffle", 0, EVENTS, 0);
        /// Events that a callback has from beginning to end, held-out ones included: it is never asked for more before they begin again. 0: it says so itself by delivering fewer.
        SOURCE_EVENTS: Int = int("source.events", 0, MAX, 0);
        /// How often in a row a callback of events may fail and is asked again, before its failure ends the call.
        SOURCE_FAILURES: Int = int("source.failures", 0, 1_000_000, 0);
    }
    FLOW {
        /// Coupling blocks (the paper takes 20 for the rings).
        FLOW_BLOCKS: Int = int("flow.blocks", 1, 1000, 12);
        /// Hidden layers of each subnet.
        FLOW_LAYERS: Int = int("flow.layers", 0, 100, 3);
        /// Units of each hidden layer of a subnet (the paper takes 60 for the rings).
        FLOW_UNITS: Int = int("flow.units", 1, 65_536, 48);
        /// LeakyReLU slope below zero; the paper's text gives none.
        FLOW_SLOPE: Float = float("flow.slope", Interval::from_below(0.0, 1.0), 0.01);
        /// Bound on the absolute log scale of one coupling, s -> clamp tanh(s / clamp); the paper's text gives none.
        FLOW_CLAMP: Float = float("flow.clamp", Interval::above_to(0.0, 20.0), 1.0);
        /// What a coupling does: scale and shift, as in the paper, or a rational-quadratic spline, for sharp features.
        FLOW_COUPLING: Coupling = choice("flow.coupling", &[("affine", Coupling::Affine), ("spline", Coupling::Spline)], Coupling::Affine);
        /// Bins of each spline.
        FLOW_BINS: Int = int("flow.bins", 2, Transform::MAX_BINS as i64, 8);
        /// Splines act on [-bound, bound] and leave what is outside as it is; features are scaled to a standard deviation of 1 (`features.scaling`: `auto` draws longer tails in) and latents normal.
        FLOW_BOUND: Float = float("flow.bound", Interval::from_to(Transform::BOUNDS.0, Transform::BOUNDS.1), 5.0);
    }
    GAN_GENERATOR {
        /// Hidden layers of a generator trained as a GAN and of its discriminator.
        GAN_GENERATOR_LAYERS: Int = int("gan_generator.layers", 0, 100, 4);
        /// Units of each hidden layer of both.
        GAN_GENERATOR_UNITS: Int = int("gan_generator.units", 1, 65_536, 64);
        /// LeakyReLU slope below zero.
        GAN_GENERATOR_SLOPE: Float = float("gan_generator.slope", Interval::from_below(0.0, 1.0), 0.01);
        /// Discriminator updates for each generator update.
        GAN_GENERATOR_DISCRIMINATOR_STEPS: Int = int("gan_generator.discriminator_steps", 1, 1000, 4);
    }
    VAE {
        /// Hidden layers of the encoder and of the decoder.
        VAE_LAYERS: Int = int("vae.layers", 0, 100, 4);
        /// Units of each hidden layer of both.
        VAE_UNITS: Int = int("vae.units", 1, 65_536, 64);
        /// LeakyReLU slope below zero.
        VAE_SLOPE: Float = float("vae.slope", Interval::from_below(0.0, 1.0), 0.01);
        /// Noise that is supposed on the decoder's features, in units of their standard deviations: the resolution of the generator.
        VAE_SIGMA: Float = float("vae.sigma", Interval::above_to(0.0, 10.0), 0.1);
        /// Weight of the divergence of the encoder's latents from the prior; 1 is the bound on the likelihood.
        VAE_BETA: Float = float("vae.beta", Interval::above(0.0), 1.0);
    }
    CLASSIFIER {
        /// Hidden layers of the classifier.
        CLASSIFIER_LAYERS: Int = int("classifier.layers", 0, 100, 8);
        /// Units of each hidden layer of the classifier.
        CLASSIFIER_UNITS: Int = int("classifier.units", 1, 65_536, 96);
        /// LeakyReLU slope below zero; the paper's text gives none.
        CLASSIFIER_SLOPE: Float = float("classifier.slope", Interval::from_below(0.0, 1.0), 0.01);
        /// What the classifier sees: the event, or beside it the latent that the generator makes it of, g⁻¹(x), in which threads and edges of the event are broad. `auto`: both, of a generator that can be inverted.
        CLASSIFIER_INPUTS: Option<Inputs> = choice(
            "classifier.inputs",
            &[("auto", None), ("events", Some(Inputs::Events)), ("both", Some(Inputs::Both))],
            None,
        );
        /// What the classifier minimises: cross-entropy, the squared error of f, or the maximum-likelihood-classifier loss of the ratio itself. All are least where f / (1 − f) is the density ratio. `laser_resample` takes `mse` for `bce`, which has no minimum where weights sum to less than 0.
        CLASSIFIER_LOSS: Separation = choice(
            "classifier.loss",
            &[("bce", Separation::CrossEntropy), ("mse", Separation::SquaredError), ("mlc", Separation::MaximumLikelihood)],
            Separation::CrossEntropy,
        );
        /// Networks, trained one after the other, whose mean logit is the classifier's; each costs its share of training and evaluation.
        CLASSIFIER_ENSEMBLE: Int = int("classifier.ensemble", 1, 1000, 1);
    }
    PULLBACK {
        /// How weights come to the latent space: through the generator, w(g(z)), or learned as a function of z by OmniFold, whose classifiers of events and of latents both follow `classifier.*`; `auto` takes that for a generator with randomness of its own.
        PULLBACK_METHOD: Option<Pullback> = choice(
            "pullback.method",
            &[("auto", None), ("direct", Some(Pullback::Direct)), ("omnifold", Some(Pullback::OmniFold))],
            None,
        );
        /// Iterations of OmniFold.
        PULLBACK_ITERATIONS: Int = int("pullback.iterations", 1, 1000, 5);
        /// Latents, with one event each, that OmniFold works on.
        PULLBACK_EVENTS: Int = int("pullback.events", 1000, EVENTS, 480_000).fast(200_000);
        /// Epochs of each of OmniFold's trainings, two per iteration, in place of `classifier.epochs`; they go on from where the last iteration's ended.
        PULLBACK_EPOCHS: Int = int("pullback.epochs", 1, MAX, 20).fast(4);
    }
    WEIGHTS {
        /// Latents drawn in the pilot run, for the weight report and w_max.
        WEIGHTS_EVENTS: Int = int("weights.events", 1000, EVENTS, 200_000);
        /// Weights end at the largest that was met but for this share of the held-out target events and of the pilot run's, times `weights.margin`: beyond its events a classifier extrapolates without bound. 0 sets no limit.
        WEIGHTS_TAIL: Float = float("weights.tail", Interval::from_below(0.0, 0.5), 1e-4);
        /// Factor by which weights may exceed those that were met, in both directions.
        WEIGHTS_MARGIN: Float = float("weights.margin", Interval::at_least(1.0), 2.0);
    }
    REFINER {
        /// How the latent space is refined. `auto` looks at the weights: `rejection` where that accepts a twentieth of its proposals, or there are conditions, otherwise `hmc` if its pilot's chains are sound, else `rejection` or `resampling`.
        REFINER_METHOD: Option<Method> = choice("refiner.method", &methods("auto", "none"), None);
    }
    ITERATION {
        /// Rounds of the whole procedure: in every one but the first the generator is trained on with the last round's refined latents as its prior. Needs a learned refiner: `flow`, or for a GAN's or VAE's generator, which are trained on as a GAN (`gan_generator`), also `gan` or `matching`.
        ITERATION_ROUNDS: Int = int("iteration.rounds", 1, 100, 1);
        /// Epochs of the generator's training in a round; 0 means as many as its first training.
        ITERATION_EPOCHS: Int = int("iteration.epochs", 0, MAX, 0);
    }
    REJECTION {
        /// Share of the total weight that may lie above w_max; of the events that rejection accepts, ten times that share.
        REJECTION_OVERWEIGHT: Float = float("rejection.overweight", Interval::from_below(0.0, 1.0), 0.001);
        /// Proposals for one event before giving up with an error.
        REJECTION_MAX_TRIES: Int = int("rejection.max_tries", 1, MOST_TRIES as i64, 10_000);
    }
    RESAMPLING {
        /// Latents of the prior that each resampled one is chosen from, by the method `resampling` and for the starts of chains.
        RESAMPLING_POOL: Int = int("resampling.pool", 2, 1000, 16);
    }
    GAN {
        /// Hidden layers of the refiner's generator and of its discriminator.
        GAN_LAYERS: Int = int("gan.layers", 0, 100, 7);
        /// Units of each hidden layer of both.
        GAN_UNITS: Int = int("gan.units", 1, 65_536, 100);
        /// LeakyReLU slope below zero; the paper's text gives none.
        GAN_SLOPE: Float = float("gan.slope", Interval::from_below(0.0, 1.0), 0.01);
        /// L, the dimension of the auxiliary latent y.
        GAN_LATENT: Int = int("gan.latent", 1, 65_536, 4);
        /// Discriminator updates for each generator update.
        GAN_DISCRIMINATOR_STEPS: Int = int("gan.discriminator_steps", 1, 1000, 4);
        /// Weighted latents that the refiner learns from.
        GAN_POOL: Int = int("gan.pool", 1000, EVENTS, 480_000);
    }
    REFINER_FLOW {
        /// Coupling blocks of the flow refiner, which is built as the generator's flow in all else.
        REFINER_FLOW_BLOCKS: Int = int("refiner_flow.blocks", 1, 1000, 6);
        /// Hidden layers of each of its subnets.
        REFINER_FLOW_LAYERS: Int = int("refiner_flow.layers", 0, 100, 2);
        /// Units of each hidden layer of a subnet.
        REFINER_FLOW_UNITS: Int = int("refiner_flow.units", 1, 65_536, 64);
        /// What its couplings do, as `flow.coupling`: what the weights cut out of the prior has sharp edges.
        REFINER_FLOW_COUPLING: Coupling = choice("refiner_flow.coupling", &[("affine", Coupling::Affine), ("spline", Coupling::Spline)], Coupling::Spline);
        /// Weighted latents that the refiner learns from.
        REFINER_FLOW_POOL: Int = int("refiner_flow.pool", 1000, EVENTS, 480_000);
    }
    MATCHING {
        /// Hidden layers of the network of velocities.
        MATCHING_LAYERS: Int = int("matching.layers", 0, 100, 4);
        /// Units of each hidden layer.
        MATCHING_UNITS: Int = int("matching.units", 1, 65_536, 128);
        /// LeakyReLU slope below zero.
        MATCHING_SLOPE: Float = float("matching.slope", Interval::from_below(0.0, 1.0), 0.01);
        /// Steps from y to z, of two evaluations of the network each.
        MATCHING_ODE_STEPS: Int = int("matching.ode_steps", 1, 1000, 2);
        /// Latents that are paired among themselves by optimal transport: more bring the pairs closer, and take longer, as their square or worse.
        MATCHING_GROUP: Int = int("matching.group", 2, 8192, 2048);
        /// Weighted latents that the refiner learns from.
        MATCHING_POOL: Int = int("matching.pool", 1000, EVENTS, 480_000).fast(240_000);
    }
    SURROGATE {
        /// Hidden layers of the network that stands for w(z), of the methods `surrogate` and `distilled`.
        SURROGATE_LAYERS: Int = int("surrogate.layers", 0, 100, 4);
        /// Units of each hidden layer.
        SURROGATE_UNITS: Int = int("surrogate.units", 1, 65_536, 64);
        /// LeakyReLU slope below zero.
        SURROGATE_SLOPE: Float = float("surrogate.slope", Interval::from_below(0.0, 1.0), 0.01);
        /// Weighted latents, an event of the generator each, that it learns from; a quarter of them is held out.
        SURROGATE_POOL: Int = int("surrogate.pool", 1000, EVENTS, 200_000);
    }
    HMC {
        /// Chains run side by side. Like all of this group, a setting of the model: given when it is refined, not to a sampler.
        HMC_CHAINS: Int = int("hmc.chains", 1, 1_000_000, 100).fast(2000);
        /// Where chains start: in latents resampled by their weights, so that separated modes have their shares, or in the prior (the paper).
        HMC_START: Start = choice("hmc.start", &[("resampled", Start::Resampled), ("prior", Start::Prior)], Start::Resampled);
        /// Step size of the leapfrog integrator; with a pilot run, where its search starts.
        HMC_STEP_SIZE: Float = float("hmc.step_size", Interval::above(0.0), 0.004).fast(0.5);
        /// Every trajectory draws its step within this fraction around the step size: no orbit closes, and chains leave narrow places by small steps.
        HMC_JITTER: Float = float("hmc.jitter", Interval::from_below(0.0, 1.0), 0.0).fast(0.5);
        /// Leapfrog steps of one transition of `hmc` (`langevin` and `mala` take one).
        HMC_LEAPFROG: Int = int("hmc.leapfrog", 1, 1_000_000, 50).fast(3);
        /// Transitions of the pilot run when `refiner.method` is a chain: one half finds step and masses, the other judges the chains; 0: no pilot, of which you are warned, but for `auto` one of 200.
        HMC_PILOT: Int = int("hmc.pilot", 0, 1_000_000, 0).fast(200);
        /// Acceptance that the pilot run seeks; 0 leaves it to the method: 0.651 for `hmc`, 0.574 for `mala`, 0.98 for `langevin`, where it bounds the bias.
        HMC_TARGET_ACCEPTANCE: Float = float("hmc.target_acceptance", Interval::from_below(0.0, 1.0), 0.0);
        /// Masses of the dimensions: 1, or the inverse of the variance that the pilot run finds.
        HMC_MASS: Mass = choice("hmc.mass", &[("unit", Mass::Unit), ("diagonal", Mass::Diagonal)], Mass::Unit);
        /// Transitions dropped before the first event is taken.
        HMC_BURN_IN: Int = int("hmc.burn_in", 0, 1_000_000_000, 3000).fast(20);
        /// Transitions from one event of a chain to its next.
        HMC_THIN: Int = int("hmc.thin", 1, 1_000_000, 1).fast(3);
    }
    RESAMPLE {
        /// What the new weights of `laser_resample` keep where weights have both signs: their local mean W(x), of all events; or that of their squares V(x) as well, so that errors of histograms stay right, of fewer events: one is kept with probability W² / V, at the weight V / W, and the others get 0.
        RESAMPLE_METHOD: Kept = choice("resample.method", &[("mean", Kept::Mean), ("variance", Kept::Variance)], Kept::Mean);
    }
    UNFOLD {
        /// Iterations of unfolding (OmniFold). Fewer stay nearer to the simulation, more follow the fluctuations of the data.
        UNFOLD_ITERATIONS: Int = int("unfold.iterations", 1, 1000, 5);
        /// Unfolding ends before its last iteration if the weights change by less: root mean square over the generated events, by their mean. 0: never, so that results which are compared, as those of replicas, come of as many.
        UNFOLD_TOLERANCE: Float = float("unfold.tolerance", Interval::at_least(0.0), 0.0);
        /// Epochs of the two trainings of every iteration but the first, in place of `classifier.epochs`: they go on from where the last iteration's ended.
        UNFOLD_EPOCHS: Int = int("unfold.epochs", 1, MAX, 20).fast(6);
        /// Which bootstrap sample is unfolded: every simulated and every measured event is counted a Poisson number of times, by the seed and this number alone. The spread of the results over replicas is the statistical error. 0: the events as they are.
        UNFOLD_REPLICA: Int = int("unfold.replica", 0, MAX, 0);
        /// How networks see the columns of `reconstructed` and `data`, as `features.scaling` of those of `generated`; r0, r1 … are their names, where sources have none.
        UNFOLD_SCALING: Text = text("unfold.scaling", &[], "auto");
    }
    SAMPLER {
        /// How events are drawn; `model` means the method that the model was refined with.
        SAMPLER_METHOD: Option<Method> = choice("sampler.method", &methods("model", "baseline"), None);
        /// Threads that one sampler works on, without changing a bit; 1 means the caller's alone. Loops on many threads better take a sampler each.
        SAMPLER_THREADS: Int = int("sampler.threads", 1, 1024, 1);
    }
}

/// The training keys of one stage: the training loop reads every stage through this group.
#[derive(Clone, Copy, Debug)]
pub struct StageKeys {
    /// Epochs.
    pub epochs: Key<i64>,
    /// Updates of one epoch.
    pub steps: Key<i64>,
    /// Events of one update.
    pub batch: Key<i64>,
    /// Adam: first learning rate.
    pub lr: Key<f64>,
    /// How the learning rate falls.
    pub schedule: Key<Schedule>,
    /// Exponential schedule: factor after each epoch.
    pub gamma: Key<f64>,
    /// Updates over which the learning rate first rises, linearly.
    pub warmup: Key<i64>,
    /// Adam: weight decay.
    pub weight_decay: Key<f64>,
    /// Adam: decay of the mean gradient.
    pub beta1: Key<f64>,
    /// Adam: decay of the mean squared gradient.
    pub beta2: Key<f64>,
    /// Adam: added to the root of the mean squared gradient.
    pub epsilon: Key<f64>,
    /// Looks at the held-out loss that do not come near the best before stopping; 0 never stops.
    pub patience: Key<i64>,
    /// Largest norm of the gradient; 0 does not clip.
    pub clip: Key<f64>,
    /// Decay of the average of the parameters; 0 takes none.
    pub ema: Key<f64>,
}

/// The training keys of `$stage`, with what the paper sets for each stage apart.
macro_rules! training {
    ($stage:literal, epochs: $epochs:literal (fast $fast_epochs:literal), batch: $batch:literal (fast $fast_batch:literal),
     lr: $lr:literal (fast $fast_lr:literal), weight_decay: $decay:literal,
     betas: ($beta1:literal, $beta2:literal), patience: $patience:literal, clip: $clip:literal $(, ema: (fast $fast_ema:literal))?) => {
        StageKeys {
            epochs: int(concat!($stage, ".epochs"), 1, MAX, $epochs)
                .fast($fast_epochs)
                .doc("Epochs."),
            steps: int(concat!($stage, ".steps"), 1, MAX, 240)
                .doc("Updates of one epoch, however many events there are: where they end they begin again, those of an array in another order."),
            batch: int(concat!($stage, ".batch"), 2, 10_000_000, $batch)
                .fast($fast_batch)
                .doc("Events of one update."),
            lr: float(concat!($stage, ".lr"), Interval::above(0.0), $lr)
                .fast($fast_lr)
                .doc("Adam: first learning rate."),
            schedule: choice(
                concat!($stage, ".schedule"),
                &[
                    ("exponential", Schedule::Exponential),
                    ("cosine", Schedule::Cosine),
                    ("constant", Schedule::Constant),
                    ("one_cycle", Schedule::OneCycle),
                ],
                Schedule::Exponential,
            )
            .fast(Schedule::Cosine)
            .doc("How the learning rate falls. `one_cycle` (Smith, Topin, arXiv:1708.07120) first rises to it from a 25th, over three tenths of the updates, without other warm-up; it is not stopped before its end."),
            gamma: float(
                concat!($stage, ".gamma"),
                Interval::above_to(0.0, 1.0),
                0.999,
            )
            .doc("Exponential schedule: factor after each epoch."),
            warmup: int(concat!($stage, ".warmup"), 0, MAX, 0)
                .fast(100)
                .doc("Updates over which the learning rate first rises, linearly."),
            weight_decay: float(
                concat!($stage, ".weight_decay"),
                Interval::at_least(0.0),
                $decay,
            )
            .doc("Adam: weight decay."),
            beta1: float(
                concat!($stage, ".beta1"),
                Interval::from_below(0.0, 1.0),
                $beta1,
            )
            .doc("Adam: decay of the mean gradient."),
            beta2: float(
                concat!($stage, ".beta2"),
                Interval::from_below(0.0, 1.0),
                $beta2,
            )
            .doc("Adam: decay of the mean squared gradient."),
            epsilon: float(concat!($stage, ".epsilon"), Interval::above(0.0), 1e-8)
                .doc("Adam: added to the root of the mean squared gradient."),
            patience: int(concat!($stage, ".patience"), 0, MAX, $patience)
                .doc("Looks at the held-out loss (every epoch, or about every pass where an epoch goes through an array several times) that do not come near the best (0.2 over the root of the held-out events) before a training stops, unless its own loss still falls; one with the schedule `cosine` stops only where it learns its events by heart, one with `one_cycle` never. The best parameters are kept. 0 never stops, and keeps the last."),
            clip: float(concat!($stage, ".clip"), Interval::at_least(0.0), $clip)
                .doc("Largest norm of the gradient; 0 does not clip."),
            ema: float(
                concat!($stage, ".ema"),
                Interval::from_below(0.0, 1.0),
                0.0,
            )
            $(.fast($fast_ema))?
            .doc("Decay, from update to update, of the exponential average of the parameters that is held out and kept in their place, as 0.999; of the first updates the average goes over about the last tenth. 0 takes none."),
        }
    };
}

/// Training of the flow by maximum likelihood.
pub const FLOW_TRAINING: StageKeys = training!("flow",
    epochs: 100 (fast 4), batch: 2000 (fast 1000), lr: 1e-3 (fast 2e-3), weight_decay: 1e-5, betas: (0.9, 0.999), patience: 10, clip: 1.0);

/// Training of a generator as a GAN; generator and discriminator alike.
pub const GAN_GENERATOR_TRAINING: StageKeys = training!("gan_generator",
    epochs: 200 (fast 30), batch: 2000 (fast 1000), lr: 5e-4 (fast 2e-3), weight_decay: 0.0, betas: (0.5, 0.9), patience: 0, clip: 0.0);

/// Training of a VAE.
pub const VAE_TRAINING: StageKeys = training!("vae",
    epochs: 100 (fast 24), batch: 2000 (fast 500), lr: 1e-3 (fast 3e-3), weight_decay: 0.0, betas: (0.9, 0.999), patience: 10, clip: 0.0);

/// Training of the classifier.
pub const CLASSIFIER_TRAINING: StageKeys = training!("classifier",
    epochs: 50 (fast 24), batch: 2000 (fast 1000), lr: 1e-3 (fast 1.3e-3), weight_decay: 0.0, betas: (0.9, 0.999), patience: 10, clip: 0.0,
    ema: (fast 0.998));

/// Training of the GAN refiner; generator and discriminator alike.
pub const GAN_TRAINING: StageKeys = training!("gan",
    epochs: 200 (fast 30), batch: 2000 (fast 1000), lr: 1e-4 (fast 5e-4), weight_decay: 0.0, betas: (0.5, 0.9), patience: 0, clip: 0.0);

/// Training of the flow refiner by weighted maximum likelihood.
pub const REFINER_FLOW_TRAINING: StageKeys = training!("refiner_flow",
    epochs: 100 (fast 40), batch: 2000 (fast 1000), lr: 1e-3 (fast 3e-3), weight_decay: 1e-5, betas: (0.9, 0.999), patience: 0, clip: 0.0);

/// Training of the flow-matching refiner.
pub const MATCHING_TRAINING: StageKeys = training!("matching",
    epochs: 200 (fast 100), batch: 2000 (fast 1000), lr: 1e-3 (fast 2e-3), weight_decay: 0.0, betas: (0.9, 0.999), patience: 0, clip: 0.0);

/// Training of the surrogate of w(z).
pub const SURROGATE_TRAINING: StageKeys = training!("surrogate",
    epochs: 100 (fast 40), batch: 2000 (fast 1000), lr: 1e-3 (fast 2e-3), weight_decay: 0.0, betas: (0.9, 0.999), patience: 10, clip: 0.0);

impl StageKeys {
    const fn rows(&self) -> [&dyn Row; 14] {
        let StageKeys {
            epochs,
            steps,
            batch,
            lr,
            schedule,
            gamma,
            warmup,
            weight_decay,
            beta1,
            beta2,
            epsilon,
            patience,
            clip,
            ema,
        } = self;
        [
            epochs,
            steps,
            batch,
            lr,
            schedule,
            gamma,
            warmup,
            weight_decay,
            beta1,
            beta2,
            epsilon,
            patience,
            clip,
            ema,
        ]
    }
}

/// The whole table, in the order in which it is printed.
pub(super) fn table() -> impl Iterator<Item = &'static dyn Row> {
    static TABLE: &[&[&dyn Row]] = &[
        GENERAL,
        SOURCE,
        FLOW,
        &FLOW_TRAINING.rows(),
        GAN_GENERATOR,
        &GAN_GENERATOR_TRAINING.rows(),
        VAE,
        &VAE_TRAINING.rows(),
        CLASSIFIER,
        &CLASSIFIER_TRAINING.rows(),
        PULLBACK,
        WEIGHTS,
        REFINER,
        ITERATION,
        REJECTION,
        RESAMPLING,
        GAN,
        &GAN_TRAINING.rows(),
        REFINER_FLOW,
        &REFINER_FLOW_TRAINING.rows(),
        MATCHING,
        &MATCHING_TRAINING.rows(),
        SURROGATE,
        &SURROGATE_TRAINING.rows(),
        HMC,
        RESAMPLE,
        UNFOLD,
        SAMPLER,
    ];
    TABLE.iter().copied().flatten().copied()
}
