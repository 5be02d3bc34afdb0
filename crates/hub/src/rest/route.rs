use http::Method;
use percent_encoding::percent_decode_str;
use webpubsub::roles::Action;

use crate::target::Target;

/// Whom an operation is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Aim {
    All,
    Group(String),
    User(String),
    Connection(String),
}

impl Aim {
    pub(super) fn target(&self) -> Target<'_> {
        match self {
            Self::All => Target::All,
            Self::Group(name) => Target::Group(name),
            Self::User(id) => Target::User(id),
            Self::Connection(id) => Target::Connection(id),
        }
    }
}

/// What is called.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Operation {
    GenerateToken,
    Send(Aim),
    Close(Aim),
    Exists(Aim),
    Join { who: Aim, group: String },
    Leave { who: Aim, group: String },
    LeaveAll(Aim),
    AddToGroups,
    RemoveFromGroups,
    List { group: String },
    Grant(Permission),
    Revoke(Permission),
    Check(Permission),
}

/// A permission of one connection. `action` is `None` for a word that names none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Permission {
    pub(super) action: Option<Action>,
    pub(super) connection: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unroutable {
    NotFound,
    /// The methods there are, as the `Allow` header names them.
    MethodNotAllowed(&'static str),
}

/// The parts of a path below `/api/hubs/`, each unescaped by itself, so that an escaped slash is part of a name. `None`
/// if a part is empty or not UTF-8. One slash at the end is ignored.
pub(super) fn segments(path: &str) -> Option<Vec<String>> {
    let (prefix, below) = path.split_at_checked("/api/hubs/".len())?;
    if !is(prefix, "/api/hubs/") {
        return None;
    }
    let below = below.strip_suffix('/').unwrap_or(below);
    let unescape = |part: &str| {
        let text = percent_decode_str(part).decode_utf8().ok()?;
        (!text.is_empty()).then(|| text.into_owned())
    };
    below.split('/').map(unescape).collect()
}

/// Finds the operation by what follows the hub's name in the path.
pub(super) fn route(method: &Method, words: &[String]) -> Result<Operation, Unroutable> {
    match words {
        [verb] => all_connections(method, verb),
        [kind, name, rest @ ..] if is(kind, "groups") => group(method, name, rest),
        [kind, id, rest @ ..] if is(kind, "users") => user(method, id, rest),
        [kind, id, rest @ ..] if is(kind, "connections") => connection(method, id, rest),
        [kind, action, connections, id] if is(kind, "permissions") && is(connections, "connections") => {
            permission(method, action, id)
        }
        _ => Err(Unroutable::NotFound),
    }
}

/// Words of paths compare without case.
fn is(word: &str, known: &str) -> bool {
    word.eq_ignore_ascii_case(known)
}

fn all_connections(method: &Method, verb: &str) -> Result<Operation, Unroutable> {
    let operation = if is(verb, ":generateToken") {
        Operation::GenerateToken
    } else if is(verb, ":addToGroups") {
        Operation::AddToGroups
    } else if is(verb, ":removeFromGroups") {
        Operation::RemoveFromGroups
    } else {
        return send_or_close(method, verb, Aim::All);
    };
    only(method, &Method::POST, "POST", operation)
}

fn group(method: &Method, name: &str, rest: &[String]) -> Result<Operation, Unroutable> {
    let name = name.to_owned();
    match rest {
        [] => only(method, &Method::HEAD, "HEAD", Operation::Exists(Aim::Group(name))),
        [word] if is(word, "connections") => {
            only(method, &Method::GET, "GET", Operation::List { group: name })
        }
        [word, id] if is(word, "connections") => member(method, Aim::Connection(id.clone()), name),
        [verb] => send_or_close(method, verb, Aim::Group(name)),
        _ => Err(Unroutable::NotFound),
    }
}

fn user(method: &Method, id: &str, rest: &[String]) -> Result<Operation, Unroutable> {
    let user = Aim::User(id.to_owned());
    match rest {
        [] => only(method, &Method::HEAD, "HEAD", Operation::Exists(user)),
        [word] if is(word, "groups") => only(method, &Method::DELETE, "DELETE", Operation::LeaveAll(user)),
        [word, group] if is(word, "groups") => member(method, user, group.clone()),
        [verb] => send_or_close(method, verb, user),
        _ => Err(Unroutable::NotFound),
    }
}

fn connection(method: &Method, id: &str, rest: &[String]) -> Result<Operation, Unroutable> {
    let connection = Aim::Connection(id.to_owned());
    match rest {
        [] => match *method {
            Method::DELETE => Ok(Operation::Close(connection)),
            Method::HEAD => Ok(Operation::Exists(connection)),
            _ => Err(Unroutable::MethodNotAllowed("DELETE, HEAD")),
        },
        [word] if is(word, "groups") => {
            only(method, &Method::DELETE, "DELETE", Operation::LeaveAll(connection))
        }
        [verb] if is(verb, ":send") => only(method, &Method::POST, "POST", Operation::Send(connection)),
        _ => Err(Unroutable::NotFound),
    }
}

fn send_or_close(method: &Method, verb: &str, aim: Aim) -> Result<Operation, Unroutable> {
    let operation = if is(verb, ":send") {
        Operation::Send(aim)
    } else if is(verb, ":closeConnections") {
        Operation::Close(aim)
    } else {
        return Err(Unroutable::NotFound);
    };
    only(method, &Method::POST, "POST", operation)
}

fn member(method: &Method, who: Aim, group: String) -> Result<Operation, Unroutable> {
    match *method {
        Method::PUT => Ok(Operation::Join { who, group }),
        Method::DELETE => Ok(Operation::Leave { who, group }),
        _ => Err(Unroutable::MethodNotAllowed("DELETE, PUT")),
    }
}

fn permission(method: &Method, word: &str, connection: &str) -> Result<Operation, Unroutable> {
    // The service also takes the numbers of its enumeration.
    let names = [
        ("sendToGroup", Action::SendToGroup),
        ("1", Action::SendToGroup),
        ("joinLeaveGroup", Action::JoinLeaveGroup),
        ("2", Action::JoinLeaveGroup),
    ];
    let action = names.into_iter().find(|(name, _)| is(word, name)).map(|(_, action)| action);
    let permission = Permission { action, connection: connection.to_owned() };
    match *method {
        Method::PUT => Ok(Operation::Grant(permission)),
        Method::DELETE => Ok(Operation::Revoke(permission)),
        Method::HEAD => Ok(Operation::Check(permission)),
        _ => Err(Unroutable::MethodNotAllowed("DELETE, HEAD, PUT")),
    }
}

fn only(
    method: &Method,
    wanted: &Method,
    allow: &'static str,
    operation: Operation,
) -> Result<Operation, Unroutable> {
    if method == wanted { Ok(operation) } else { Err(Unroutable::MethodNotAllowed(allow)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(method: &Method, path: &str) -> Result<Operation, Unroutable> {
        let segments = segments(&format!("/api/hubs/h/{path}")).ok_or(Unroutable::NotFound)?;
        route(method, &segments[1..])
    }

    #[test]
    fn every_operation_has_its_route() {
        let g = || "g".to_owned();
        let permission = || Permission { action: Some(Action::SendToGroup), connection: "c".to_owned() };
        let table = [
            (Method::POST, ":generateToken", Operation::GenerateToken),
            (Method::POST, ":SEND", Operation::Send(Aim::All)),
            (Method::POST, "%3Asend", Operation::Send(Aim::All)),
            (Method::POST, "groups/a%2Fb/:send", Operation::Send(Aim::Group("a/b".to_owned()))),
            (Method::POST, "Users/%C3%BC%20x/:send", Operation::Send(Aim::User("ü x".to_owned()))),
            (Method::POST, "connections/c/:send", Operation::Send(Aim::Connection("c".to_owned()))),
            (Method::POST, ":closeConnections", Operation::Close(Aim::All)),
            (Method::POST, "groups/g/:closeConnections", Operation::Close(Aim::Group(g()))),
            (Method::POST, "users/g/:closeConnections", Operation::Close(Aim::User(g()))),
            (Method::DELETE, "connections/g", Operation::Close(Aim::Connection(g()))),
            (Method::HEAD, "connections/g/", Operation::Exists(Aim::Connection(g()))),
            (Method::HEAD, "groups/g", Operation::Exists(Aim::Group(g()))),
            (Method::HEAD, "users/g", Operation::Exists(Aim::User(g()))),
            (
                Method::PUT,
                "groups/g/connections/c",
                Operation::Join { who: Aim::Connection("c".to_owned()), group: g() },
            ),
            (
                Method::DELETE,
                "groups/g/connections/c",
                Operation::Leave { who: Aim::Connection("c".to_owned()), group: g() },
            ),
            (Method::DELETE, "connections/g/groups", Operation::LeaveAll(Aim::Connection(g()))),
            (Method::PUT, "users/u/groups/g", Operation::Join { who: Aim::User("u".to_owned()), group: g() }),
            (
                Method::DELETE,
                "users/u/groups/g",
                Operation::Leave { who: Aim::User("u".to_owned()), group: g() },
            ),
            (Method::DELETE, "users/g/groups", Operation::LeaveAll(Aim::User(g()))),
            (Method::POST, ":addToGroups", Operation::AddToGroups),
            (Method::POST, ":removeFromGroups", Operation::RemoveFromGroups),
            (Method::GET, "groups/g/connections", Operation::List { group: g() }),
            (Method::PUT, "permissions/sendToGroup/connections/c", Operation::Grant(permission())),
            (Method::DELETE, "permissions/1/connections/c", Operation::Revoke(permission())),
            (Method::HEAD, "permissions/SENDTOGROUP/connections/c", Operation::Check(permission())),
        ];
        for (method, path, operation) in table {
            assert_eq!(to(&method, path), Ok(operation), "{path}");
        }
    }

    #[test]
    fn other_methods_and_paths_are_refused() {
        let table = [
            (":send", Err(Unroutable::MethodNotAllowed("POST"))),
            ("connections/c", Err(Unroutable::MethodNotAllowed("DELETE, HEAD"))),
            ("users/u/groups/g", Err(Unroutable::MethodNotAllowed("DELETE, PUT"))),
            ("permissions/x/connections/c", Err(Unroutable::MethodNotAllowed("DELETE, HEAD, PUT"))),
            ("nothing", Err(Unroutable::NotFound)),
            ("groups//:send", Err(Unroutable::NotFound)),
            ("groups/%ff/:send", Err(Unroutable::NotFound)),
            ("connections/c/:closeConnections", Err(Unroutable::NotFound)),
            ("groups/g/connections/c/d", Err(Unroutable::NotFound)),
            ("", Err(Unroutable::NotFound)),
        ];
        for (path, refusal) in table {
            assert_eq!(to(&Method::PATCH, path), refusal, "{path}");
        }
    }
}
