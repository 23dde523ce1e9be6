# For scripts that source it: folders of the user's cache that are built once. The caller defines `say`.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/liblaser
stamp=.complete

# Builds a folder of the cache aside, as `recipe folder`, and renames it when it is complete: a killed run leaves no half
# folder, and of several runs at once one builds and the others wait.
cached() {
    local name=$1 recipe=$2 folder=$cache/$1
    [ -e "$folder/$stamp" ] && return
    mkdir -p "$cache"
    exec {lock}>"$cache/$name.lock"
    flock --nonblock "$lock" || {
        say "waiting for another run that installs $name"
        flock "$lock"
    }
    if [ ! -e "$folder/$stamp" ]; then
        rm -rf "$folder" "$folder".tmp.*
        local aside
        aside=$(mktemp --directory "$folder.tmp.XXXXXX")
        chmod 755 "$aside"
        "$recipe" "$aside"
        touch "$aside/$stamp"
        mv --no-target-directory "$aside" "$folder"
    fi
    exec {lock}>&-
}
