//! What is not looked at while variables are still there.

use crate::compose::schema::Kind;
use crate::compose::schema::Long;
use crate::compose::schema::Shape;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;

/// Whether a value is a scalar, or in a short form, that is not looked at while variables are still there.
pub fn is_as_written(node: &Node, shape: &Shape) -> bool {
    let is_list = matches!(node.value, Value::List(_));
    let is_scalar = node.as_map().is_none() && !is_list;
    match shape.kind {
        Kind::Any => true,
        Kind::Scalar(_) | Kind::Either(..) => is_scalar,
        Kind::List(_) => shape.long != Long::Already && !is_list,
        Kind::Map(_) | Kind::Object(_) => {
            node.is_null() || (shape.long != Long::Already && node.as_map().is_none())
        }
    }
}
