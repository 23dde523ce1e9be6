use super::blocks::{Group, Loss};
use super::*;
use crate::model::{Activation, Transform};
use crate::objective::checks::{self, Networks};

/// Odd shapes: 1 wide, no multiple of a vector, wide, deep, without hidden layers; one feature that passes and none.
fn networks() -> Vec<Networks> {
    let leaky = Activation::LeakyRelu { slope: 0.01 };
    vec![
        Networks::new(2, &[48, 48, 48], leaky, 4),
        Networks::new(2, &[1], Activation::Tanh, 3),
        Networks::new(5, &[13, 7], leaky, 5),
        Networks::new(3, &[], leaky, 2),
        Networks::new(64, &[100], Activation::Tanh, 2),
        Networks::new(7, &[33; 12], leaky, 3),
        Networks::conditional(3, 5, &[10, 8], leaky, 3),
        Networks::new(4, &[4, 5, 17], Activation::LeakyRelu { slope: 0.0 }, 3),
    ]
}

#[test]
fn gradients_are_those_of_central_differences() {
    let leaky = Activation::LeakyRelu { slope: 0.1 };
    for networks in [
        Networks::small(),
        Networks::new(4, &[3], Activation::Tanh, 4),
        Networks::new(2, &[9, 2], leaky, 2),
        Networks::conditional(3, 2, &[4, 3], leaky, 3),
    ] {
        for goal in networks.goals() {
            for rows in [12, 50] {
                checks::central_differences(&mut *objective(goal, 1).unwrap(), &goal, rows);
            }
        }
    }
}

#[test]
fn losses_have_their_known_values() {
    checks::known_values(|goal| objective(goal, 1).unwrap());
    checks::known_bound(|goal| objective(goal, 1).unwrap());
}

/// Loss and gradient of every part.
fn evaluate<T: Element>(
    objective: &mut dyn Objective<T>,
    goal: &Goal,
    rows: usize,
) -> Vec<(f64, Vec<T>)> {
    let (p, batch) = (checks::parameters(goal), checks::batch(goal, rows));
    let parts = objective.parts().into_iter().enumerate();
    parts
        .map(|(part, length)| {
            let mut gradient = vec![T::from_f64(7.0); length];
            let loss = objective.gradient(part, &p, &batch, &mut gradient);
            (loss.unwrap(), gradient)
        })
        .collect()
}

/// Largest difference of the gradients in units of the largest element, and of the losses in units of 1 + |loss|.
fn distance<T: Element>(a: &[(f64, Vec<T>)], b: &[(f64, Vec<T>)]) -> f64 {
    let mut worst = 0f64;
    for ((loss_a, a), (loss_b, b)) in a.iter().zip(b) {
        let size = b.iter().map(|b| b.to_f64().abs()).fold(0.0, f64::max);
        assert!(size > 0.0 && a.len() == b.len());
        for (a, b) in a.iter().zip(b) {
            let d = (a.to_f64() - b.to_f64()).abs() / size;
            assert!(d.is_finite());
            worst = worst.max(d);
        }
        worst = worst.max((loss_a - loss_b).abs() / (1.0 + loss_b.abs()));
    }
    worst
}

/// What may differ in another order of operations. Random splines have steep and flat bins, which magnify roundings.
fn roundings(goal: &Goal) -> f64 {
    match goal {
        Goal::Likelihood(flow) if matches!(flow.blocks[0].transform, Transform::Spline { .. }) => {
            1e4
        }
        _ => 300.0,
    }
}

#[cfg(feature = "torch")]
fn libtorch_agrees<T: crate::nn::Number>(
    dtype: crate::model::Dtype,
    epsilon: f64,
    goals: &[Goal],
    all_rows: [usize; 3],
) {
    let options = crate::options::Options::new();
    for goal in goals {
        for rows in all_rows {
            let mut torch = crate::nn::objective(*goal, dtype, &options).unwrap();
            let expected = evaluate::<T>(&mut *torch, goal, rows);
            let got = evaluate::<T>(&mut *objective(*goal, 1).unwrap(), goal, rows);
            let d = distance(&got, &expected) / epsilon;
            assert!(d < roundings(goal), "{goal:?}, {rows} rows: {d} roundings");
        }
    }
}

#[cfg(feature = "torch")]
#[test]
fn libtorch_agrees_in_single_precision() {
    for networks in networks() {
        let (dtype, epsilon) = (crate::model::Dtype::Float32, f64::from(f32::EPSILON));
        libtorch_agrees::<f32>(dtype, epsilon, &networks.goals(), [1, 31, 200]);
    }
}

#[cfg(feature = "torch")]
#[test]
fn libtorch_agrees_in_double_precision() {
    for networks in networks() {
        let (dtype, epsilon) = (crate::model::Dtype::Float64, f64::EPSILON);
        libtorch_agrees::<f64>(dtype, epsilon, &networks.goals(), [1, 31, 200]);
    }
}

/// So wide that blocks pass together, with rows that fill no block, not all of a pass, and several. Of millions of units some are so near 0
/// that single precision does not agree on their signs, and adversaries magnify even the roundings of double precision.
#[cfg(feature = "torch")]
#[test]
fn libtorch_agrees_on_wide_networks() {
    let leaky = Activation::LeakyRelu { slope: 0.01 };
    for (dim, units) in [(37, 130), (100, 256), (368, 512)] {
        let networks = Networks::new(dim, &[units; 3], leaky, 2);
        let goals = &networks.goals()[..4];
        libtorch_agrees::<f64>(
            crate::model::Dtype::Float64,
            f64::EPSILON,
            goals,
            [1, 7, 2000],
        );
    }
}

/// Single against double precision, where there is no libtorch to ask.
#[test]
fn the_precisions_agree() {
    for networks in networks() {
        for goal in networks.goals() {
            let double = evaluate::<f64>(&mut *objective(goal, 1).unwrap(), &goal, 75);
            let single: Vec<(f64, Vec<f64>)> =
                evaluate::<f32>(&mut *objective(goal, 1).unwrap(), &goal, 75)
                    .into_iter()
                    .map(|(loss, g)| (loss, g.into_iter().map(f64::from).collect()))
                    .collect();
            let d = distance(&single, &double) / f64::from(f32::EPSILON);
            assert!(d < roundings(&goal), "{goal:?}: {d} roundings");
        }
    }
}

#[test]
fn the_same_number_of_threads_makes_the_same_bits() {
    for networks in networks() {
        for goal in networks.goals() {
            let rows = 333;
            let alone = evaluate::<f32>(&mut *objective(goal, 1).unwrap(), &goal, rows);
            for threads in [1, 2, 3, 16] {
                let mut objective = objective(goal, threads).unwrap();
                let first = evaluate::<f32>(&mut *objective, &goal, rows);
                // A batch of one block in between leaves nothing behind.
                evaluate::<f32>(&mut *objective, &goal, 5);
                let second = evaluate::<f32>(&mut *objective, &goal, rows);
                assert!(first == second, "{goal:?}, {threads} threads");
                let d = distance(&first, &alone) / f64::from(f32::EPSILON);
                assert!(d < 100.0, "{goal:?}, {threads} threads: {d} roundings");
            }
        }
    }
}

/// A loss that blocks pass one by one.
struct OneByOne<L>(L);

impl<T: Element, L: Loss<T>> Loss<T> for OneByOne<L> {
    type Buffers = L::Buffers;

    fn pack(&mut self, parameters: &[T]) {
        self.0.pack(parameters);
    }

    fn together(&self) -> usize {
        1
    }

    fn buffers(&self) -> Result<L::Buffers> {
        self.0.buffers()
    }

    fn add(&self, part: usize, group: Group<T>, buffers: &mut L::Buffers, losses: &mut [f64]) {
        assert_eq!(losses.len(), 1);
        self.0.add(part, group, buffers, losses);
    }

    fn loss(&self, part: usize, group: Group<T>, buffers: &mut L::Buffers, losses: &mut [f64]) {
        self.0.loss(part, group, buffers, losses);
    }

    fn collect(&self, part: usize, buffers: &mut L::Buffers, gradient: &mut [T]) {
        self.0.collect(part, buffers, gradient);
    }
}

/// The objective, one block after the other, if several would pass together.
fn one_by_one<'a, T: Element>(
    goal: Goal<'a>,
    threads: usize,
) -> Option<Box<dyn Objective<T> + 'a>> {
    fn of<'a, T: Element, L: Loss<T> + 'a>(
        goal: Goal<'a>,
        loss: L,
        threads: usize,
    ) -> Option<Box<dyn Objective<T> + 'a>> {
        (loss.together() > 1)
            .then(|| Box::new(Blocks::new(goal, OneByOne(loss), threads).unwrap()) as _)
    }
    match goal {
        Goal::Likelihood(flow) => of(goal, likelihood::Likelihood::new(flow).unwrap(), threads),
        Goal::Separation(network, loss) => {
            let loss = separation::Classes::new(network, loss).unwrap();
            of(goal, loss, threads)
        }
        Goal::Gan(gan) => of(goal, gan::Players::new(gan).unwrap(), threads),
        Goal::Vae(vae) => of(goal, vae::Coders::new(vae).unwrap(), threads),
        Goal::Matching(matching) => of(goal, matching::Velocity::new(matching).unwrap(), threads),
    }
}

fn together_as_one_by_one<T: Element + PartialEq>() {
    let leaky = Activation::LeakyRelu { slope: 0.01 };
    let networks = Networks::conditional(37, 2, &[256; 3], leaky, 2);
    for goal in networks.goals() {
        for (rows, threads) in [(7, 1), (600, 1), (600, 2), (600, 3)] {
            let mut apart = one_by_one::<T>(goal, threads).unwrap();
            let expected = evaluate(&mut *apart, &goal, rows);
            let got = evaluate(&mut *objective::<T>(goal, threads).unwrap(), &goal, rows);
            assert!(got == expected, "{goal:?}, {rows} rows, {threads} threads");
            let (p, batch) = (checks::parameters(&goal), checks::batch(&goal, rows));
            assert_eq!(apart.loss(&p, &batch).unwrap(), expected[0].0);
        }
    }
    assert!(one_by_one::<T>(Networks::small().goals()[0], 1).is_none());
}

#[test]
fn blocks_that_pass_together_make_the_bits_of_one_after_the_other() {
    together_as_one_by_one::<f32>();
    together_as_one_by_one::<f64>();
}

#[test]
fn the_loss_alone_is_the_loss_with_the_gradient() {
    for networks in networks() {
        for goal in networks.goals() {
            let mut objective = objective::<f64>(goal, 2).unwrap();
            let with = evaluate(&mut *objective, &goal, 150)[0].0;
            let (p, batch) = (checks::parameters(&goal), checks::batch(&goal, 150));
            assert_eq!(objective.loss(&p, &batch).unwrap(), with);
        }
    }
}

#[test]
fn broken_parameters_give_a_broken_loss_and_no_panic() {
    for goal in Networks::small().goals() {
        let mut objective = objective::<f32>(goal, 1).unwrap();
        let mut p: Vec<f32> = checks::parameters(&goal);
        p.fill(f32::NAN);
        let mut gradient = vec![0.0; objective.parts()[0]];
        let batch = checks::batch(&goal, 40);
        let loss = objective.gradient(0, &p, &batch, &mut gradient).unwrap();
        assert!(loss.is_nan());
    }
}
