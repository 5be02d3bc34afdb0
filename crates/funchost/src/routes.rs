//! Which function gets a request.
//!
//! The host gives its routes no precedence: the first function, in alphabetical order of folder names, whose template
//! and methods both match, wins. Matching ignores case. A method that a function does not list falls through.

/// Values of the template's parameters in order; `None` for a catch-all that caught nothing.
pub(crate) type Params = Vec<(String, Option<String>)>;

/// Templates in the order in which they are tried.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes {
    routes: Vec<Route>,
}

#[derive(Clone, Debug)]
struct Route {
    function: usize,
    segments: Vec<Segment>,
    methods: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Parameter { name: String, optional: bool },
    CatchAll(String),
}

impl Routes {
    /// Adds a function behind all others. `function` is what [`Routes::find`] answers; no methods = every method.
    ///
    /// # Errors
    /// One sentence when the template is beyond what the double matches.
    pub(crate) fn add(&mut self, function: usize, template: &str, methods: &[String]) -> Result<(), String> {
        let segments = parse(template)?;
        self.routes.push(Route { function, segments, methods: methods.to_vec() });
        Ok(())
    }

    /// The first function for this decoded path and upper-case method.
    #[must_use]
    pub(crate) fn find(&self, method: &str, path: &str) -> Option<(usize, Params)> {
        self.routes
            .iter()
            .filter(|route| route.methods.is_empty() || route.methods.iter().any(|listed| listed == method))
            .find_map(|route| matches(&route.segments, path).map(|params| (route.function, params)))
    }
}

fn parse(template: &str) -> Result<Vec<Segment>, String> {
    let template = template.trim_matches('/');
    if template.is_empty() {
        return Ok(Vec::new());
    }
    let segments: Vec<Segment> = template.split('/').map(segment).collect::<Result<_, _>>()?;
    let early = segments.iter().rev().skip(1).any(|segment| matches!(segment, Segment::CatchAll(_)));
    if early {
        return Err(format!(
            "the route template \"{template}\" has a catch-all that is not its last segment"
        ));
    }
    Ok(segments)
}

fn segment(text: &str) -> Result<Segment, String> {
    if !text.contains(['{', '}']) {
        return Ok(Segment::Literal(text.into()));
    }
    let inner = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
        .filter(|inner| !inner.contains(['{', '}', '=']))
        .ok_or_else(|| format!("the double does not match the route segment \"{text}\""))?;
    if let Some(name) = inner.strip_prefix("**").or_else(|| inner.strip_prefix('*')) {
        return Ok(Segment::CatchAll(name.into()));
    }
    // What stands behind a colon restricts the value; the double takes every value.
    let name = inner.split(':').next().unwrap_or_default();
    let optional = inner.ends_with('?');
    Ok(Segment::Parameter { name: name.trim_end_matches('?').into(), optional })
}

fn matches(segments: &[Segment], path: &str) -> Option<Params> {
    let mut params = Params::new();
    let mut rest = Some(path.trim_start_matches('/'));
    for segment in segments {
        if let Segment::CatchAll(name) = segment {
            params.push((name.clone(), rest.filter(|rest| !rest.is_empty()).map(str::to_owned)));
            return Some(params);
        }
        let (part, behind) = match rest {
            Some(rest) => rest.split_once('/').map_or((rest, None), |(part, behind)| (part, Some(behind))),
            None => ("", None),
        };
        match segment {
            Segment::Literal(text) if text.eq_ignore_ascii_case(part) => {}
            Segment::Parameter { name, .. } if !part.is_empty() => {
                params.push((name.clone(), Some(part.into())));
            }
            Segment::Parameter { name, optional: true } => params.push((name.clone(), None)),
            _ => return None,
        }
        rest = behind;
    }
    // A slash at the end does not matter.
    rest.unwrap_or_default().is_empty().then_some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(templates: &[(&str, &[&str])]) -> Routes {
        let mut routes = Routes::default();
        for (index, (template, methods)) in templates.iter().enumerate() {
            let methods: Vec<String> = methods.iter().map(ToString::to_string).collect();
            routes.add(index, template, &methods).unwrap();
        }
        routes
    }

    fn found(routes: &Routes, method: &str, path: &str) -> Option<usize> {
        routes.find(method, path).map(|(function, _)| function)
    }

    #[test]
    fn the_first_that_matches_wins_whatever_is_more_exact() {
        let routes = routes(&[("{*path}", &[]), ("api/negotiate", &["GET"])]);
        assert_eq!(found(&routes, "GET", "/api/negotiate"), Some(0));
    }

    #[test]
    fn a_method_that_is_not_listed_falls_through() {
        let routes = routes(&[("api/sendMessage", &["POST"]), ("{*path}", &["GET"])]);
        assert_eq!(found(&routes, "POST", "/API/sendmessage"), Some(0));
        assert_eq!(found(&routes, "GET", "/api/sendMessage"), Some(1));
        assert_eq!(found(&routes, "TRACE", "/api/sendMessage"), None);
    }

    #[test]
    fn parameters_take_one_segment_and_a_catch_all_takes_the_rest() {
        let routes = routes(&[("json/{id:int}", &[]), ("a/{b?}", &[]), ("{*path}", &[])]);
        assert_eq!(routes.find("GET", "/json/42"), Some((0, vec![("id".into(), Some("42".into()))])));
        assert_eq!(routes.find("GET", "/json/42/"), Some((0, vec![("id".into(), Some("42".into()))])));
        assert_eq!(found(&routes, "GET", "/json/"), Some(2));
        assert_eq!(found(&routes, "GET", "/json/42/more"), Some(2));
        assert_eq!(routes.find("GET", "/a"), Some((1, vec![("b".into(), None)])));
        assert_eq!(routes.find("GET", "/x//y/"), Some((2, vec![("path".into(), Some("x//y/".into()))])));
        assert_eq!(routes.find("GET", "/"), Some((2, vec![("path".into(), None)])));
    }

    #[test]
    fn templates_beyond_the_double_are_refused() {
        let mut routes = Routes::default();
        for template in ["{*path}/x", "a{b}", "{b=1}"] {
            assert!(routes.add(0, template, &[]).is_err(), "{template}");
        }
    }
}
