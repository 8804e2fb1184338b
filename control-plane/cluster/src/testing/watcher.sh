# Stops the test cluster when nobody has leased it for a while, and drops what dead processes left.
# Runs as the account that owns the server. Locks are those of flock(2), as taken by Rust's File.
set -u
leases=$1 watcher=$2 data=$3 ledgers=$4 socket_dir=$5 bin_dir=$6 port=$7 user=$8 every=$9
shift 9
idle_looks=$1

# A terminal that closes or a Ctrl-C there is not meant for it.
trap '' HUP INT

if command -v flock >/dev/null 2>&1; then
    lock_fd() { flock -n -x "$1"; }
elif command -v perl >/dev/null 2>&1; then
    lock_fd() {
        perl -e 'use Fcntl ":flock"; open(my $f, "<&=", $ARGV[0]) or exit 1;
                 exit(flock($f, LOCK_EX | LOCK_NB) ? 0 : 1)' "$1"
    }
else
    echo "neither flock (util-linux) nor perl is installed" >&2
    exit 1
fi

is_free() { (exec 6<"$1" && lock_fd 6) 2>/dev/null; }

drop_databases_of_dead_processes() {
    for ledger in "$ledgers"/*; do
        [ -e "$ledger" ] && is_free "$ledger" || continue
        while read -r name; do
            "$bin_dir/dropdb" -h "$socket_dir" -p "$port" -U "$user" -w --if-exists --force \
                --maintenance-db=postgres "$name" </dev/null
        done <"$ledger"
        rm -f "$ledger"
    done
}

stop_server() {
    [ -e "$data/postmaster.pid" ] || return 0
    read -r pid <"$data/postmaster.pid"
    # Where it can be told, a reused pid is left alone.
    if [ -d /proc/self ] && [ "$(readlink "/proc/$pid/cwd")" != "$data" ]; then
        return 0
    fi
    "$bin_dir/pg_ctl" stop -D "$data" -m fast -t 20 ||
        "$bin_dir/pg_ctl" stop -D "$data" -m immediate -t 10
}

exec 7<"$watcher"
lock_fd 7 || { echo "another watcher is running" >&2; exit 1; }
echo watching
exec >/dev/null 2>&1

idle=0
# If the whole directory is removed, PostgreSQL misses its pid file and ends by itself.
while [ -e "$leases" ]; do
    sleep "$every"
    if is_free "$leases"; then
        idle=$((idle + 1))
    else
        idle=0
        drop_databases_of_dead_processes
    fi
    [ "$idle" -ge "$idle_looks" ] || continue
    exec 9<"$leases"
    if lock_fd 9; then
        # New processes wait for this lock, which ends with this script.
        stop_server
        rm -rf "$data" "$ledgers"/*
        exit 0
    fi
    exec 9<&-
    idle=0
done
