//! Where boxes are put: a column for each step from those that nobody needs, each column in an order with few crossings.

use crate::compose::model::Project;
use std::collections::HashMap;

/// How often the order of the columns is improved.
const SWEEPS: usize = 4;

/// The services of each column, as numbers; dependencies are in columns further right.
pub fn layers(project: &Project) -> Vec<Vec<usize>> {
    let needs = needs(project);
    let depth = depths(&needs);
    let columns = depth.iter().max().map_or(0, |deepest| deepest + 1);
    let mut layers = vec![Vec::new(); columns];
    for (service, depth) in depth.iter().enumerate() {
        layers[*depth].push(service);
    }
    for _ in 0..SWEEPS {
        for column in 1..columns {
            let place = places(&layers[column - 1]);
            let users = |service: usize| -> Vec<f64> {
                let is_user = |user: &&usize| needs[**user].contains(&service);
                let users = layers[column - 1].iter().filter(is_user);
                users.map(|user| place[user] as f64).collect()
            };
            let mut order: Vec<(f64, usize)> = layers[column]
                .iter()
                .enumerate()
                .map(|(at, service)| (mean(&users(*service)).unwrap_or(at as f64), *service))
                .collect();
            order.sort_by(|one, other| one.0.total_cmp(&other.0));
            layers[column] = order.into_iter().map(|(_, service)| service).collect();
        }
    }
    layers
}

/// What each service needs, as numbers.
fn needs(project: &Project) -> Vec<Vec<usize>> {
    let number = |name: &str| project.services.get_index_of(name);
    let of = |service: &crate::compose::model::Service| {
        let names = service.depends_on.keys();
        names.filter_map(|name| number(name.as_str())).collect()
    };
    project.services.values().map(of).collect()
}

/// The longest way to each service. A project has no circles; in a text with some the count of services ends it.
fn depths(needs: &[Vec<usize>]) -> Vec<usize> {
    let mut depth = vec![0; needs.len()];
    for _ in 0..needs.len() {
        let mut moved = false;
        for (service, needs) in needs.iter().enumerate() {
            for need in needs {
                if depth[*need] <= depth[service] && depth[service] + 1 < depth.len() {
                    depth[*need] = depth[service] + 1;
                    moved = true;
                }
            }
        }
        if !moved {
            break;
        }
    }
    depth
}

fn places(layer: &[usize]) -> HashMap<usize, usize> {
    let places = layer.iter().enumerate();
    places.map(|(at, service)| (*service, at)).collect()
}

fn mean(numbers: &[f64]) -> Option<f64> {
    let count = numbers.len();
    (count > 0).then(|| numbers.iter().sum::<f64>() / count as f64)
}
