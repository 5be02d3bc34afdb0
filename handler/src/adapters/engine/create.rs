use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use redb::{Builder, DatabaseError, StorageError};

/// Makes the database file where there is none, whole or not at all: a process that is killed while redb lays out a new
/// file would leave one that can never be opened.
///
/// It is made under a name of its own and then linked to its place, which fails where another process was first; theirs
/// is as good. What a killed process leaves behind under that name stays and is never read.
pub(super) fn make_whole(builder: &Builder, path: &Path) -> Result<(), DatabaseError> {
    if path.try_exists().map_err(io_error)? {
        return Ok(());
    }
    let unfinished = unfinished_name(path);
    remove(&unfinished).map_err(io_error)?;
    drop(builder.create(&unfinished)?);
    let placed = place(&unfinished, path);
    remove(&unfinished).map_err(io_error)?;
    placed.map_err(io_error)
}

fn unfinished_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    PathBuf::from(name)
}

fn place(unfinished: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(unfinished, path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        // Some network file systems have no links; there, two first starts at once are not told apart.
        Err(_) => fs::rename(unfinished, path)?,
    }
    // The name has to outlive a power cut, as what is written under it does.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn io_error(error: io::Error) -> DatabaseError {
    DatabaseError::Storage(StorageError::Io(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stays_behind_and_leftovers_do_not_matter() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.redb");
        fs::write(unfinished_name(&path), "half of a database").unwrap();
        make_whole(&Builder::new(), &path).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        Builder::new().open(&path).unwrap();
    }

    #[test]
    fn what_is_there_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.redb");
        fs::write(&path, "somebody's").unwrap();
        make_whole(&Builder::new(), &path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"somebody's");
        place(&path, &path).unwrap();
    }
}
